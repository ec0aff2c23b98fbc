// @ts-check
/**
 * The tray of references: numbered, each with a role; chips are drawn by the server. Other modules hand in pictures that
 * are stored already by the event `references` on `document` (detail: "<image id>:<role>" each), and say by `chip` that
 * they changed the tray. Files are the matter of `uploads.js`, order of `reorder.js`.
 */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
const tray = /** @type {HTMLElement} */ (form.querySelector("[data-tray]"));
const menu = /** @type {HTMLElement} */ (document.getElementById("reference-menu"));
const picker = /** @type {HTMLDialogElement} */ (document.getElementById("picker"));
/** @type {HTMLElement | null} the chip that the menu speaks of */
let held = null;

/** @returns {HTMLElement[]} */
const chips = () => [...tray.querySelectorAll(/** @type {"li"} */ ("li[data-image], li[data-state]"))];
/** @param {Element} chip */
const value = (chip) => /** @type {HTMLInputElement | null} */ (chip.querySelector('[name="reference"]'));
const most = () => Number(tray.dataset.most);

/** Number the chips again and tell whoever prices and remembers. */
function changed() {
  const all = chips();
  all.forEach((chip, place) => {
    const number = chip.querySelector(".n");
    if (number) number.textContent = String(place + 1);
    const role = value(chip)?.value.split(":")[1];
    chip.querySelector(".pic")?.setAttribute("aria-label", `Reference ${place + 1}${role ? `, ${role}` : ""}. Options`);
    chip.querySelector(".x")?.setAttribute("aria-label", `Remove reference ${place + 1}`);
  });
  const counter = /** @type {HTMLElement} */ (form.querySelector("[data-reference-count]"));
  counter.textContent = all.length ? `${all.length} of ${most()}` : `up to ${most()}`;
  form.toggleAttribute("data-referenced", all.length > 0);
  /** @type {HTMLElement} */ (tray.querySelector("[data-add]")).hidden = !all.length || all.length >= most();
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

/** @param {string} words beside the tray; empty takes them away */
function say(words) {
  const place = /** @type {HTMLElement} */ (document.getElementById("error-references"));
  place.textContent = words;
  place.hidden = !words;
}

/** @param {HTMLElement} chip */
function remove(chip) {
  const next = chip.nextElementSibling;
  chip.remove();
  say("");
  changed();
  const buttons = [next?.querySelector("button"), form.querySelector(/** @type {"button"} */ (".drop button"))];
  buttons.find((button) => button?.checkVisibility())?.focus();
}

/** @param {string[]} wanted "<image id>:<role>" each */
async function add(wanted) {
  const there = new Set(chips().map((chip) => chip.dataset.image));
  const fresh = wanted.filter((each) => !there.has(each.split(":")[0]));
  const fitting = fresh.slice(0, Math.max(0, most() - chips().length));
  say(fitting.length < fresh.length ? `At most ${most()} references. The rest was left out.` : "");
  if (!fitting.length) return;
  const query = new URLSearchParams(fitting.map((each) => ["reference", each]));
  const response = await fetch(`/studio/references?${query}`, { headers: { "HX-Request": "true" } });
  if (!response.ok || !response.headers.get("X-Fragment")) return say("Could not be added. Try again.");
  const drawn = new DOMParser().parseFromString(await response.text(), "text/html");
  tray.querySelector("[data-add]")?.before(...drawn.body.children);
  changed();
}

document.addEventListener("references", (event) => add(/** @type {CustomEvent<string[]>} */ (event).detail));
document.addEventListener("chip", changed);

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const use = /** @type {HTMLElement | null} */ (target.closest("[data-use]"));
  const chip = /** @type {HTMLElement | null} */ (target.closest("[data-tray] li"));
  if (use) {
    event.preventDefault();
    add([`${use.dataset.use || use.getAttribute("href")?.split("=")[1]}:`]);
    picker.close();
  } else if (target.closest("[data-pick]")) {
    picker.showModal();
    picker.dispatchEvent(new Event("open")); // htmx fetches the pictures
  }
  if (!chip) return;
  if (target.closest(".x")) remove(chip);
  else if (target.closest(".pic")) {
    held = chip;
    menu.dataset.chip = chip.dataset.image;
    const role = value(chip)?.value.split(":")[1] ?? "";
    menu.querySelectorAll("[data-role]").forEach((each) => each.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (each).dataset.role === role)));
  }
});

menu.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("button"));
  if (!button || !held) return;
  menu.hidePopover();
  const { role, move } = button.dataset;
  if (move) return; // reorder.js
  if (role === undefined) return remove(held);
  const input = value(held);
  if (input) input.value = `${held.dataset.image}:${role}`;
  const label = held.querySelector("p");
  if (label) label.textContent = role ? (button.dataset.word ?? "") : "";
  changed();
});
