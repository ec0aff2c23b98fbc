// @ts-check
/**
 * What a card's buttons with `data-live` do (cancel, retry), without a reload. They belong to the form `act` and say by
 * `formaction` where they send it. The same press twice, or again after a lost answer, sends the same id: nothing is made
 * twice. The answer is a fragment, which the feed places.
 */

/** An id for what a press makes: the page's own, with an end by chance. @param {FormData} body */
const newId = (body) => {
  const end = crypto.getRandomValues(new Uint8Array(6));
  return String(body.get("id")).slice(0, -12) + [...end].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

/**
 * Say in sight why not: the composer, which says it too, may be far from the card, folded, or not on this page. Once is
 * enough where it says what is short.
 * @param {string} html
 */
function told(html) {
  const drawn = new DOMParser().parseFromString(html, "text/html");
  const reasons = [...drawn.querySelectorAll(/** @type {"p"} */ ("#refusal, .error"))].filter((each) => !each.hidden);
  const detail = reasons.map((each) => each.textContent?.trim()).filter(Boolean).join(" ");
  if (detail) document.dispatchEvent(new CustomEvent("toast", { detail }));
  const refusal = document.getElementById("refusal");
  if (refusal && document.getElementById("shortfall")?.hidden === false) refusal.hidden = true;
}

/** @param {SubmitEvent} event */
async function send(event) {
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  const live = button?.dataset.live;
  if (!button || live === undefined) return;
  event.preventDefault();
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  try {
    const body = new FormData(/** @type {HTMLFormElement} */ (event.target), button);
    body.set("id", (button.dataset.id ??= newId(body)));
    const sent = new URLSearchParams(/** @type {any} */ (body));
    const response = await fetch(button.formAction, { method: "POST", body: sent, headers: { "HX-Request": "true" } });
    if (!response.headers.get("X-Fragment")) return location.reload(); // signed out, or gone
    delete button.dataset.id;
    const drawn = await response.text();
    document.dispatchEvent(new CustomEvent("fragment", { detail: drawn }));
    if (live === "again" && response.ok) scrollTo({ top: 0, behavior: "smooth" });
    if (!response.ok) told(drawn);
  } catch {
    document.dispatchEvent(new CustomEvent("toast", { detail: "Could not reach Gesso. Try again." }));
  } finally {
    button.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", send);
