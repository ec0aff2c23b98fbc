// @ts-check
/**
 * The viewer's keys and zoom buttons. A single key presses the button or link that names it by `data-key`; arrows move the
 * picture while it is larger than its place. Back leads to the page that the viewer was opened from, as it was left: its
 * scroll, its search, its focus. Without the Navigation API that takes the page right before this one.
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

/** Where the viewer may have been opened: the beginning of its path, and how it is called. */
const origins = [["/library", "library"], ["/trash", "trash"], ["/studio", "studio"], ["/generations/", "generation"]];
const back = /** @type {HTMLAnchorElement | null} */ (document.querySelector("[data-back]"));
const favourite = () => document.querySelector("[data-act=favourite]")?.getAttribute("aria-pressed");
const atFirst = favourite();

/** The page before all the images that were looked at in a row, and how to return to it. */
function opener() {
  const { navigation } = window;
  if (!navigation) return { url: document.referrer, go: () => history.back() };
  const before = navigation.entries().slice(0, navigation.currentEntry?.index).findLast((entry) => !entry.url?.includes("/images/"));
  return { url: before?.url ?? "", go: () => void navigation.traverseTo(before?.key ?? "") };
}

if (back && history.length > 1) {
  const { url, go } = opener();
  const name = origins.find(([path]) => url.startsWith(location.origin + path))?.[1];
  if (name) {
    const label = /** @type {HTMLElement} */ (back.querySelector("span"));
    label.textContent = `Back to the ${name}`;
    back.title = `Back to the ${name} (Esc)`;
    back.href = url;
  }
  back.addEventListener("click", (event) => {
    // A page as it was left would show an image that went to the trash meanwhile, or its old star: then it comes anew.
    const changed = document.querySelector(".in-trash") || favourite() !== atFirst;
    if (!name || changed || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go();
  });
}

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
