// @ts-check
/**
 * The viewer's keys and zoom buttons. A single key presses the button or link that names it by `data-key`; arrows move the
 * picture while it is larger than its place.
 */

/** @typedef {HTMLElement & {zoom: (scale: number) => void, in: () => void, out: () => void, pan: (x: number, y: number) => boolean}} Stage */
const stage = /** @type {Stage} */ (document.querySelector("picture-stage"));
const zoom = document.querySelector("[data-zoom]");
/** @type {Record<string, () => void>} */
const zooms = { 0: () => stage.zoom(0), "+": () => stage.in(), "=": () => stage.in(), "-": () => stage.out() };
zoom?.removeAttribute("hidden");
zoom?.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-key]"));
  zooms[button?.dataset.key ?? ""]?.();
});

function keysOn() {
  try {
    return localStorage.getItem("gesso:keys") !== "off";
  } catch {
    return true;
  }
}

/** @type {Record<string, [number, number]>} */
const arrows = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };
document.addEventListener("keydown", (event) => {
  const target = /** @type {Element} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("dialog, [popover], input") || !keysOn()) return;
  const arrow = arrows[event.key];
  if (zooms[event.key]) zooms[event.key]();
  else if (!(arrow && stage.pan(...arrow))) {
    const key = { j: "ArrowRight", k: "ArrowLeft" }[event.key] ?? event.key;
    const pressed = /** @type {HTMLElement | null} */ (document.querySelector(`[data-key="${CSS.escape(key)}"]`));
    if (!pressed || document.querySelector(":popover-open")) return;
    pressed.click();
  }
  event.preventDefault();
});
