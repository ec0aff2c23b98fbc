// @ts-check
/**
 * Looking closely: zoom to the cursor by wheel, keys, pinch or a double click, move by dragging. The sharp original is
 * fetched when the preview no longer suffices.
 */

const MOST = 8; // times the original's pixels
const STEP = 1.4;

class PictureStage extends HTMLElement {
  #scale = 1; // 1: fits
  #x = 0;
  #y = 0;
  /** @type {Map<number, PointerEvent>} */
  #pointers = new Map();
  #moved = false;

  get sheet() {
    return /** @type {HTMLImageElement} */ (this.querySelector(".sheet"));
  }

  connectedCallback() {
    this.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.addEventListener("pointerdown", (event) => this.#down(event));
    this.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) this.addEventListener(end, (event) => this.#up(/** @type {PointerEvent} */ (event)));
    this.addEventListener("dblclick", (event) => this.zoom(this.#scale > 1 ? 0 : this.#full, event.clientX, event.clientY));
    new ResizeObserver(() => this.#draw()).observe(this);
    this.sheet.decode().then(() => this.#draw(), () => {}); // a picture that fails shows its words
  }

  /** How many times "fit" one pixel of the original is one pixel here; at least twice "fit". */
  get #full() {
    return Math.max(2, Number(this.dataset.width) / (this.sheet.offsetWidth || 1));
  }

  /** @param {number} scale 0: fit @param {number} [atX] @param {number} [atY] the point that stays */
  zoom(scale, atX, atY) {
    const box = this.getBoundingClientRect();
    const next = Math.max(1, Math.min(scale, this.#full * MOST));
    const fromX = (atX ?? box.left + box.width / 2) - box.left - box.width / 2;
    const fromY = (atY ?? box.top + box.height / 2) - box.top - box.height / 2;
    this.#x = fromX - ((fromX - this.#x) * next) / this.#scale;
    this.#y = fromY - ((fromY - this.#y) * next) / this.#scale;
    this.#scale = next;
    this.#draw();
  }

  in() {
    this.zoom(this.#scale * STEP);
  }

  out() {
    this.zoom(this.#scale / STEP);
  }

  /** @param {number} x @param {number} y in pixels @returns {boolean} whether there is anything to move */
  pan(x, y) {
    if (this.#scale <= 1) return false;
    this.#x += x;
    this.#y += y;
    this.#draw();
    return true;
  }

  #draw() {
    const { sheet } = this;
    const roomX = Math.max(0, (sheet.offsetWidth * this.#scale - this.clientWidth) / 2);
    const roomY = Math.max(0, (sheet.offsetHeight * this.#scale - this.clientHeight) / 2);
    this.#x = Math.max(-roomX, Math.min(roomX, this.#x));
    this.#y = Math.max(-roomY, Math.min(roomY, this.#y));
    const still = this.#scale === 1;
    sheet.style.transform = still ? "" : `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    this.toggleAttribute("data-zoomed", !still);
    const shown = (sheet.offsetWidth * this.#scale) / Number(this.dataset.width);
    const output = document.querySelector("[data-zoom] output");
    if (output) output.textContent = `${Math.round(shown * 100)} %`;
    if (sheet.offsetWidth * this.#scale * devicePixelRatio > sheet.naturalWidth * 1.1) this.#sharpen();
  }

  async #sharpen() {
    const { original } = this.dataset;
    if (!original || this.sheet.naturalWidth >= Number(this.dataset.width)) return;
    delete this.dataset.original;
    const sharp = new Image();
    sharp.src = original;
    await sharp.decode();
    this.sheet.src = original;
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (event.deltaY === 0 || matchMedia("(max-width: 56rem)").matches) return; // on a phone the page scrolls
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    this.zoom(this.#scale * Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 100 : 400)), event.clientX, event.clientY);
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button || /** @type {Element} */ (event.target).closest("a")) return;
    this.#pointers.set(event.pointerId, event);
    this.#moved = false;
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const [other] = [...this.#pointers.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (other) {
      const apart = (/** @type {PointerEvent} */ one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      this.zoom((this.#scale * apart(event)) / (apart(before) || 1), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
    } else if (this.pan(event.clientX - before.clientX, event.clientY - before.clientY) && !this.#moved) {
      this.#moved = true;
      this.setPointerCapture(event.pointerId);
    }
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#pointers.delete(event.pointerId);
  }
}

customElements.define("picture-stage", PictureStage);
