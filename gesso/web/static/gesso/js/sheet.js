// @ts-check
/** On a phone the settings are a sheet over the feed, which nobody reaches meanwhile. It opens where a mistake is unseen. */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
const summary = /** @type {HTMLElement} */ (form.querySelector("[data-sheet]"));
const close = /** @type {HTMLElement} */ (form.querySelector("[data-sheet-close]"));

/** @param {boolean} up */
function sheet(up) {
  if (summary.ariaExpanded === String(up)) return;
  summary.ariaExpanded = String(up);
  document.querySelector(".feed")?.toggleAttribute("inert", up);
  if (up) close.focus();
  else if (document.activeElement === document.body || !document.activeElement?.checkVisibility()) summary.focus();
}

summary.addEventListener("click", () => sheet(true));
close.addEventListener("click", () => sheet(false));
document.addEventListener("keydown", (event) => {
  // What lies above it closes first.
  if (event.key === "Escape" && !document.querySelector(":popover-open, dialog[open]")) sheet(false);
});
document.addEventListener("click", (event) => {
  // A tap beside it: the feed is inert, so what lies below the feed hears it.
  if (/** @type {Element} */ (event.target).matches("main, body, html")) sheet(false);
});
matchMedia("(max-width: 56rem)").addEventListener("change", () => sheet(false));
document.addEventListener("submitted", () => sheet(false));
document.addEventListener("unseen", () => sheet(true));
