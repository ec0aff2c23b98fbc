// @ts-check
/**
 * What was typed survives a reload: prompt, settings and references are kept in this browser for each workspace, and so
 * are the latest prompts (Alt + Up and Down). Submitting clears nothing. A composer that the server filled wins.
 */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
const prompt = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("prompt"));
const history = /** @type {HTMLElement} */ (document.getElementById("earlier"));
const DRAFT = `gesso:draft:${form.dataset.workspace}`;
const PROMPTS = `gesso:prompts:${form.dataset.workspace}`;
const KEPT = ["prompt", "aspect_ratio", "quality", "count", "model", "background", "format", "reference"];
const MOST = 50;
let place = -1; // in the earlier prompts; -1 is what is being written
let written = "";

/** @typedef {[string, string][]} Draft */

/** @param {string} key @returns {any} */
function load(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null; // storage is off, or holds something that is not ours
  }
}

/** @param {string} key @param {unknown} value */
function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or off: a draft is a comfort, not a promise.
  }
}

/** @returns {Draft} */
const read = () => [...new FormData(form)].filter(([name]) => KEPT.includes(name)).map(([name, value]) => [name, String(value)]);

/** @param {Draft} draft */
function write(draft) {
  const values = (/** @type {string} */ name) => draft.filter(([key]) => key === name).map(([, value]) => value);
  for (const element of form.elements) {
    const field = /** @type {HTMLInputElement} */ (element);
    if (!KEPT.includes(field.name) || field.name === "reference") continue;
    const wanted = values(field.name);
    if (field.type === "radio" || field.type === "checkbox") field.checked = wanted.includes(field.value);
    else if (wanted.length && (field.tagName !== "SELECT" || field.querySelector(`[value="${CSS.escape(wanted[0])}"]`))) field.value = wanted[0];
  }
  for (const chip of form.querySelectorAll("li[data-image]")) if (!values("reference").includes(/** @type {HTMLInputElement} */ (chip.querySelector("input")).value)) chip.remove();
  document.dispatchEvent(new CustomEvent("references", { detail: values("reference") }));
  document.dispatchEvent(new Event("chip"));
}

/** @returns {string[]} newest first */
const prompts = () => load(PROMPTS) ?? [];

/** @param {number} step */
function turn(step) {
  const all = prompts();
  const next = Math.min(all.length - 1, Math.max(-1, place + step));
  if (next === place) return;
  if (place === -1) written = prompt.value;
  place = next;
  prompt.value = place === -1 ? written : all[place];
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

function list() {
  const rows = prompts().slice(0, 12).map((words) => {
    const row = Object.assign(document.createElement("button"), { type: "button", dir: "auto", textContent: words.slice(0, 120) });
    row.addEventListener("click", () => {
      prompt.value = words;
      history.hidePopover();
      form.dispatchEvent(new Event("change", { bubbles: true }));
      prompt.focus();
    });
    return row;
  });
  history.querySelector("[data-none]")?.toggleAttribute("hidden", rows.length > 0);
  history.querySelector("[data-rows]")?.replaceChildren(...rows);
}

const save = () => store(DRAFT, read());

const kept = load(DRAFT);
if ("filled" in form.dataset) {
  save();
  // A reload shall show the draft, with what was changed meanwhile.
  if (location.search) window.history.replaceState(null, "", "/studio");
} else if (Array.isArray(kept)) write(kept);
if (form.dataset.add) document.dispatchEvent(new CustomEvent("references", { detail: [`${form.dataset.add}:`] }));

form.addEventListener("input", save);
form.addEventListener("change", save);
prompt.addEventListener("input", () => { place = -1; });
prompt.addEventListener("keydown", (event) => {
  const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (!event.altKey || !step) return;
  event.preventDefault();
  turn(step);
});
history.addEventListener("beforetoggle", list);
document.addEventListener("submitted", (event) => {
  const sent = /** @type {CustomEvent<string>} */ (event).detail;
  store(PROMPTS, [sent, ...prompts().filter((words) => words !== sent)].slice(0, MOST));
  place = -1;
});
form.querySelector("[data-clear]")?.addEventListener("click", () => {
  const before = read();
  form.reset();
  write([...new FormData(form)].filter(([name]) => name !== "reference").map(([name, value]) => [name, String(value)]));
  prompt.value = "";
  form.dispatchEvent(new Event("change", { bubbles: true }));
  document.dispatchEvent(new CustomEvent("toast", { detail: { words: "Composer cleared", undo: () => write(before) } }));
});
