// @ts-check
/**
 * What renews itself: an element with `data-renew` (its address) and an id is fetched again when the stream says that it
 * changed, and replaced by the element with its id in the answer. `data-poll` asks every few seconds as well: a card in hand
 * says so, one that has ended does not, so the poll is part of what is shown.
 *
 * Nothing told is lost: a change that is told while an answer is on its way is asked for after it, and what is not answered
 * is asked again. Said when done: `placed`.
 */

const POLL_SECONDS = 5;
const ANSWER_SECONDS = 10;
/** By id: whether it changed again since it was asked for. @type {Map<string, boolean>} */
const asked = new Map();

/** @param {Element | null} element */
async function renew(element) {
  const { id, dataset } = /** @type {HTMLElement} */ (element ?? document.body);
  const url = dataset.renew;
  if (!url) return;
  if (asked.has(id)) return void asked.set(id, true);
  do {
    asked.set(id, false);
    await fetchOnce(url, id);
  } while (asked.get(id));
  asked.delete(id);
}

/** @param {string} url @param {string} id */
async function fetchOnce(url, id) {
  try {
    const signal = AbortSignal.timeout(ANSWER_SECONDS * 1000);
    const response = await fetch(url, { headers: { "HX-Request": "true" }, signal });
    if (response.status === 401) return location.reload(); // signed out meanwhile
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById(id);
    const there = document.getElementById(id);
    if (!fresh || !there) return;
    swap(there, fresh);
    document.dispatchEvent(new Event("placed"));
  } catch (problem) {
    // Without a connection the poll, or the stream's resync, asks again.
    if (/** @type {DOMException} */ (problem).name === "TimeoutError") asked.set(id, true);
  }
}

/**
 * Put `fresh` in the place of `there`. Focus stays on the same control, or on the whole when that is gone.
 * @param {HTMLElement} there @param {HTMLElement} fresh
 */
function swap(there, fresh) {
  const focused = there.contains(document.activeElement) ? document.activeElement?.id : undefined;
  there.replaceWith(fresh);
  if (focused === undefined) return;
  document.getElementById(focused)?.focus();
  if (fresh.contains(document.activeElement)) return;
  fresh.tabIndex = -1;
  fresh.focus({ preventScroll: true });
}

document.addEventListener("swap", (event) => {
  const [there, fresh] = /** @type {CustomEvent} */ (event).detail;
  swap(there, fresh);
});
document.body.addEventListener("changed", (event) => renew(document.getElementById(`g-${/** @type {CustomEvent} */ (event).detail}`)));
document.body.addEventListener("balance", () => renew(document.getElementById("balance")));
document.addEventListener("placed", () => {
  const amount = document.querySelector("#balance b")?.textContent;
  for (const shown of document.querySelectorAll("[data-shown]")) shown.textContent = amount ?? shown.textContent;
});
document.body.addEventListener("resync", () => document.querySelectorAll("[data-renew]").forEach(renew));
setInterval(() => document.hidden || document.querySelectorAll("[data-poll]").forEach(renew), POLL_SECONDS * 1000);
