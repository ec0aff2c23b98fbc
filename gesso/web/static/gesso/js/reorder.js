// @ts-check
/**
 * The order of references: by dragging, by Alt + arrows on the focused one, and by the menu's two buttons. `references.js`
 * numbers them again when it hears `chip`.
 */

const tray = /** @type {HTMLElement} */ (document.querySelector("[data-tray]"));
const menu = /** @type {HTMLElement} */ (document.getElementById("reference-menu"));
/** @type {HTMLElement | null} the chip being dragged */
let held = null;

/** @returns {HTMLElement[]} */
const chips = () => [...tray.querySelectorAll(/** @type {"li"} */ ("li[data-image]"))];
const changed = () => document.dispatchEvent(new Event("chip"));

/** @param {HTMLElement | undefined} chip @param {number} step */
function move(chip, step) {
  const all = chips();
  const other = chip && all[all.indexOf(chip) + step];
  if (!other) return;
  if (step < 0) other.before(chip);
  else other.after(chip);
  changed();
  /** @type {HTMLElement | null} */ (chip.querySelector(".pic"))?.focus();
}

menu.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-move]"));
  if (button) move(chips().find((chip) => chip.dataset.image === menu.dataset.chip), Number(button.dataset.move));
});
tray.addEventListener("keydown", (event) => {
  const chip = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("li[data-image]"));
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!chip || !event.altKey || !step) return;
  event.preventDefault();
  move(chip, step);
});
tray.addEventListener("dragstart", (event) => { held = /** @type {Element} */ (event.target).closest("li"); });
tray.addEventListener("dragover", (event) => {
  const over = /** @type {Element} */ (event.target).closest("li[data-image]");
  if (!held || !over || over === held || event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  const all = chips();
  if (all.indexOf(held) < all.indexOf(/** @type {HTMLElement} */ (over))) over.after(held);
  else over.before(held);
});
tray.addEventListener("dragend", () => { held = null;
  changed();
});
