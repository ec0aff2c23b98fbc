// @ts-check
/**
 * The composer's sums and its sending. It shows only what the chosen model can do, says the price on the button and what
 * is left, offers a way out when credits are short, and sends without ever blocking the next one: the ids are made here,
 * so that a double click is one generation. The server checks everything again.
 */

/** @typedef {{ratios: Record<string, string>, qualities: Record<string, number>, backgrounds: string[], formats: string[], references: number}} Model */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
/** @type {Record<string, Model>} */
const models = JSON.parse(form.dataset.models ?? "{}");
const prompt = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("prompt"));
const go = /** @type {HTMLButtonElement} */ (form.querySelector(".go"));

/** @param {string} selector */
const one = (selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
/** @param {string} name @returns {HTMLInputElement[]} */
const inputs = (name) => [...form.querySelectorAll(/** @type {"input"} */ (`input[name="${name}"]`))];
/** @param {string} name */
const checked = (name) => inputs(name).filter((input) => input.checked && !input.disabled);
/** @param {number} n @param {string} word */
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const model = () => models[/** @type {RadioNodeList} */ (form.elements.namedItem("model")).value] ?? Object.values(models)[0];
const available = () => Number(document.querySelector("[data-available]")?.getAttribute("data-available") ?? NaN);

/** @param {{quality?: string, count?: number, shapes?: number}} [other] the price if this were chosen instead */
function price({ quality, count, shapes } = {}) {
  const each = model().qualities[quality ?? checked("quality")[0]?.value] ?? 0;
  return each * (count ?? Number(checked("count")[0]?.value ?? 1)) * (shapes ?? checked("aspect_ratio").length);
}

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
  const [quality, count, total] = [checked("quality")[0], Number(checked("count")[0]?.value), price()];
  const pictures = form.querySelectorAll('[name="reference"]').length;
  one("[data-summary]").textContent = [
    shapes.join(" "), quality?.dataset.word, plural(count, "image"), pictures ? plural(pictures, "reference") : "",
  ].filter(Boolean).join(", ");
  one("[data-more]").textContent = ["format", "background"]
    .map((name) => /** @type {HTMLSelectElement} */ (form.elements.namedItem(name)).selectedOptions[0]?.text).join(", ");
  one("[data-cost]").textContent = total.toLocaleString("en");
  one("[data-unit]").textContent = total === 1 ? "credit" : "credits";
  const limit = Number(prompt.dataset.limit);
  const counter = one("[data-count]");
  counter.hidden = prompt.value.length < limit * 0.9;
  counter.textContent = `${prompt.value.length.toLocaleString("en")} of ${limit.toLocaleString("en")}`;
  afford(total);
}

/** @param {number} total */
function afford(total) {
  const have = available();
  const short = total > have;
  one("[data-leaves]").hidden = short;
  one("[data-left]").textContent = Number.isNaN(have) ? "" : (have - total).toLocaleString("en");
  const notice = one("#shortfall");
  notice.hidden = !short;
  go.setAttribute("aria-disabled", String(short));
  if (!short) return;
  one("#shortfall strong").textContent = `This needs ${plural(total, "credit")}. You have ${have.toLocaleString("en")}.`;
  /** @type {[string, number, HTMLInputElement | undefined][]} */
  const ways = inputs("quality").filter((i) => !i.disabled && !i.checked).map((i) => [i.dataset.word ?? "", price({ quality: i.value }), i]);
  ways.push(["1 image", price({ count: 1 }), inputs("count").find((input) => input.value === "1" && !input.checked)]);
  one("[data-ways]").replaceChildren(...ways.filter(([, cost, input]) => input && cost < total && cost <= have).map(([words, cost, input]) => {
    const way = Object.assign(document.createElement("button"), { type: "button", className: "btn sm", textContent: `${words} · ${cost}` });
    way.addEventListener("click", () => input?.click());
    return way;
  }));
}

form.addEventListener("input", show);
form.addEventListener("change", show);
document.addEventListener("htmx:afterSwap", () => afford(price()));
show();
