// @ts-check
/**
 * What every signed-in page can do: copy an id, say a short word (a toast, with undo), single keys and their list ("?").
 * Single keys are off while typing, and where this browser was told so.
 */

const dialog = /** @type {HTMLDialogElement | null} */ (document.getElementById("keys"));
const toast = document.getElementById("toast");
const typing = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let fading;
let before = "";

/** @param {{words: string, undo?: () => void}} said */
function say({ words, undo }) {
  if (!toast) return;
  clearTimeout(fading);
  toast.textContent = words;
  if (undo) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "btn ghost sm", textContent: "Undo" });
    button.addEventListener("click", () => { undo(); toast.hidden = true; });
    toast.append(button);
  }
  toast.hidden = false;
  fading = setTimeout(() => { toast.hidden = true; }, undo ? 8000 : 3000);
}

const keysOn = () => {
  try {
    return localStorage.getItem("gesso:keys") !== "off";
  } catch {
    return true; // storage is off
  }
};

/** @param {number} step to the next or previous card */
function walk(step) {
  const cards = [...document.querySelectorAll(/** @type {"article"} */ ("#feed > article"))];
  const here = cards.findIndex((card) => card.contains(document.activeElement));
  const next = cards[Math.min(cards.length - 1, Math.max(0, here + step))];
  if (!next) return;
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

/** @param {string} name the tile's button or link that does it */
function press(name) {
  const focused = document.activeElement;
  const place = focused?.closest(".tile") ?? focused?.closest("article")?.querySelector(".tile");
  /** @type {HTMLElement | null | undefined} */ (place?.querySelector(`[data-key="${name}"]`))?.click();
}

/** @param {KeyboardEvent} event */
function key(event) {
  const target = /** @type {Element} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest(typing) || target.closest("dialog[open]") || !keysOn()) return;
  const pressed = before + event.key;
  before = event.key === "g" ? "g" : "";
  /** @type {Record<string, () => void>} */
  const does = {
    "?": () => dialog?.showModal(),
    "/": () => [...document.querySelectorAll(/** @type {"input"} */ ("#prompt, [type=search]"))].findLast((each) => each.checkVisibility())?.focus(),
    gc: () => location.assign("/studio"),
    gl: () => location.assign("/library"),
    j: () => walk(1),
    k: () => walk(-1),
    f: () => press("f"),
    r: () => press("r"),
    d: () => press("d"),
    Delete: () => press("Delete"),
  };
  const act = does[pressed] ?? does[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** Signed out meanwhile: the answer is the sign-in page, which does not belong into this one. */
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = /** @type {CustomEvent} */ (event).detail;
  if (!xhr.responseURL || new URL(xhr.responseURL).pathname === new URL(pathInfo.requestPath, location.href).pathname) return;
  event.preventDefault();
  location.reload();
});
document.addEventListener("keydown", key);
document.addEventListener("toast", (event) => {
  const said = /** @type {CustomEvent} */ (event).detail;
  say(typeof said === "string" ? { words: said } : said);
});
document.addEventListener("click", async (event) => {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("[data-keys]")) dialog?.showModal();
  const copy = /** @type {HTMLElement | null} */ (target.closest("[data-copy]"));
  if (!copy) return;
  try {
    await navigator.clipboard.writeText(copy.dataset.copy ?? "");
    say({ words: "Id copied" });
  } catch {
    say({ words: `Copy it by hand: ${copy.dataset.copy}` }); // no permission, or not https
  }
});
const single = /** @type {HTMLInputElement | null} */ (document.getElementById("single-keys"));
if (single) {
  single.checked = keysOn();
  single.addEventListener("change", () => localStorage.setItem("gesso:keys", single.checked ? "on" : "off"));
}
