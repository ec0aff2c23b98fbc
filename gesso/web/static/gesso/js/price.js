// @ts-check
/**
 * The price on the button, what is left after it, and a way out when credits are short. Runs after `composer.js`, which
 * has put right what is chosen. The balance is the one shown on the page, and follows it.
 */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
/** @type {Record<string, {qualities: Record<string, number>}>} */
const models = JSON.parse(form.dataset.models ?? "{}");
const go = /** @type {HTMLButtonElement} */ (form.querySelector(".go"));

/** @param {string} selector */
const one = (selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
/** @param {string} name @returns {HTMLInputElement[]} */
const inputs = (name) => [...form.querySelectorAll(/** @type {"input"} */ (`input[name="${name}"]`))];
/** @param {string} name */
const checked = (name) => inputs(name).filter((input) => input.checked && !input.disabled);
const model = () => models[/** @type {RadioNodeList} */ (form.elements.namedItem("model")).value] ?? Object.values(models)[0];
const available = () => Number(document.querySelector("[data-available]")?.getAttribute("data-available") ?? NaN);

/** @param {{quality?: string, count?: number, shapes?: number}} [other] the price if this were chosen instead */
function price({ quality, count, shapes } = {}) {
  const each = model().qualities[quality ?? checked("quality")[0]?.value] ?? 0;
  return each * (count ?? Number(checked("count")[0]?.value ?? 1)) * (shapes ?? checked("aspect_ratio").length);
}

function show() {
  const total = price();
  one("[data-cost]").textContent = total.toLocaleString("en");
  one("[data-unit]").textContent = total === 1 ? "credit" : "credits";
  const have = available();
  const short = total > have;
  one("[data-leaves]").hidden = short;
  one("[data-left]").textContent = Number.isNaN(have) ? "" : (have - total).toLocaleString("en");
  const notice = one("#shortfall");
  notice.hidden = !short;
  go.setAttribute("aria-disabled", String(short));
  if (!short) return;
  one("#shortfall strong").textContent = `This needs ${total.toLocaleString("en")} ${total === 1 ? "credit" : "credits"}. You have ${have.toLocaleString("en")}.`;
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
document.addEventListener("htmx:afterSwap", show);
document.addEventListener("placed", show);
show();
