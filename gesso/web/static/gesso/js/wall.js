// @ts-check
/**
 * The wall of the library: how tall its rows are (kept in this browser), and keys for walking along it. A day that goes on
 * in the part that just came is joined to its beginning.
 */

const wall = document.getElementById("wall");
const slider = /** @type {HTMLElement | null} */ (document.querySelector("[data-density-slider]"));
const range = slider?.querySelector("input");
const typing = "input, textarea, select, [contenteditable], dialog, [popover]";

/** @param {string} value 1 to 5 */
function hang(value) {
  if (wall) wall.dataset.density = value;
  try {
    localStorage.setItem("gesso:density", value);
  } catch {
    // storage is off: it lasts for this page
  }
}

if (slider && range && wall) {
  try {
    range.value = localStorage.getItem("gesso:density") ?? "3";
  } catch {
    // storage is off
  }
  slider.hidden = false;
  hang(range.value);
  range.addEventListener("input", () => hang(range.value));
}

function join() {
  for (const section of wall?.querySelectorAll("section[data-continues]") ?? []) {
    const before = section.previousElementSibling;
    if (!before || before.getAttribute("data-day") !== section.getAttribute("data-day")) continue;
    before.querySelector("ul")?.append(...section.querySelectorAll("li"));
    section.remove();
  }
}
document.body.addEventListener("htmx:afterSettle", join);

/** @param {number} step */
function walk(step) {
  const links = /** @type {HTMLElement[]} */ ([...(wall?.querySelectorAll("li > a") ?? [])]);
  const here = links.findIndex((link) => link.parentElement?.contains(document.activeElement));
  const next = links[Math.min(links.length - 1, Math.max(0, here + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function keysOn() {
  try {
    return localStorage.getItem("gesso:keys") !== "off";
  } catch {
    return true;
  }
}

document.addEventListener("keydown", (event) => {
  const target = /** @type {Element} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest(typing) || !keysOn()) return;
  if (event.key === "j" || event.key === "ArrowRight") walk(1);
  else if (event.key === "k" || event.key === "ArrowLeft") walk(-1);
  else return;
  event.preventDefault();
});
