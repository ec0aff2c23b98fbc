// @ts-check
/**
 * The composer shows only what the chosen model can do, keeps at least one shape chosen, and says in a line what is set
 * (on a phone that line stands for the settings). The price is in `price.js`. The server checks everything again.
 */

/** @typedef {{ratios: Record<string, string>, qualities: Record<string, number>, backgrounds: string[], formats: string[], references: number}} Model */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
/** @type {Record<string, Model>} */
const models = JSON.parse(form.dataset.models ?? "{}");
const prompt = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("prompt"));

/** @param {string} selector */
const one = (selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
/** @param {string} name @returns {HTMLInputElement[]} */
const inputs = (name) => [...form.querySelectorAll(/** @type {"input"} */ (`input[name="${name}"]`))];
/** @param {string} name */
const checked = (name) => inputs(name).filter((input) => input.checked && !input.disabled);
/** @param {number} n @param {string} word */
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const model = () => models[/** @type {RadioNodeList} */ (form.elements.namedItem("model")).value] ?? Object.values(models)[0];

/** @param {string} name @param {string[]} able keeps of a group of inputs what the model can do, and one of them chosen */
function offer(name, able) {
  for (const input of inputs(name)) {
    input.disabled = !able.includes(input.value);
    /** @type {HTMLElement} */ (input.closest("label")).hidden = input.disabled;
  }
  if (!checked(name).length) {
    const usual = inputs(name).find((input) => !input.disabled && input.defaultChecked) ?? inputs(name).find((input) => !input.disabled);
    if (usual) usual.checked = true;
  }
}

/** @param {string} name @param {string[]} able */
function choose(name, able) {
  const select = /** @type {HTMLSelectElement} */ (form.elements.namedItem(name));
  for (const option of select.options) option.hidden = option.disabled = !able.includes(option.value);
  if (select.selectedOptions[0]?.disabled !== false) select.value = able[0] ?? "";
}

function show() {
  const able = model();
  offer("aspect_ratio", Object.keys(able.ratios));
  offer("quality", Object.keys(able.qualities));
  choose("background", able.backgrounds);
  choose("format", able.formats);
  for (const input of inputs("quality")) one(`[data-price="${input.value}"]`).textContent = String(able.qualities[input.value] ?? "");
  const shapes = checked("aspect_ratio").map((input) => input.value);
  one("[data-px]").textContent = shapes.length === 1 ? `${able.ratios[shapes[0]]} px` : `${shapes.length} shapes, one generation each`;
  const count = Number(checked("count")[0]?.value);
  const pictures = form.querySelectorAll('[name="reference"]').length;
  one("[data-summary]").textContent = [
    shapes.join(" "), checked("quality")[0]?.dataset.word, plural(count, "image"), pictures ? plural(pictures, "reference") : "",
  ].filter(Boolean).join(", ");
  one("[data-more]").textContent = ["format", "background"]
    .map((name) => /** @type {HTMLSelectElement} */ (form.elements.namedItem(name)).selectedOptions[0]?.text).join(", ");
  const limit = Number(prompt.dataset.limit);
  const counter = one("[data-count]");
  counter.hidden = prompt.value.length < limit * 0.9;
  counter.textContent = `${prompt.value.length.toLocaleString("en")} of ${limit.toLocaleString("en")}`;
}

form.addEventListener("input", () => checked("aspect_ratio").length && show());
form.addEventListener("change", (event) => {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.name === "aspect_ratio" && !checked("aspect_ratio").length) input.checked = true; // one shape at least
  show();
});
show();
document.addEventListener("click", (event) => {
  const example = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-example]"));
  if (!example) return;
  prompt.value = example.dataset.example ?? "";
  form.dispatchEvent(new Event("change", { bubbles: true }));
  prompt.focus();
});
