// @ts-check
/**
 * The feed: puts drawn cards where they belong (newest first, once each), and says once, politely, how a generation ended.
 *
 * A fragment is HTML from the server: each of its elements replaces the one with the same id; a card that is not there yet
 * is added in its order. Other modules hand one over by the event `fragment` on `document` (detail: the HTML).
 */

const feed = /** @type {HTMLElement} */ (document.getElementById("feed"));
const speaker = document.getElementById("speaker");
/** Cards seen in hand: only their end is news, and only once. */
const awaited = new Set();

/** @returns {HTMLElement[]} */
const cards = () => [...feed.querySelectorAll("article")];

/** @param {string} html @param {boolean} [onlyNew] leave alone what is there */
function place(html, onlyNew = false) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  for (const element of [...parsed.body.children]) {
    const there = element.id ? document.getElementById(element.id) : null;
    // A card in hand renews itself, and one that has ended never goes back: what says "in hand" adds nothing to either.
    if (there && (onlyNew || /** @type {HTMLElement} */ (element).dataset.inHand)) continue;
    if (there) {
      document.dispatchEvent(new CustomEvent("swap", { detail: [there, element] })); // `renewal` keeps the focus
    } else if (element.matches("article")) {
      const order = /** @type {HTMLElement} */ (element).dataset.order ?? "";
      const older = cards().find((card) => (card.dataset.order ?? "") < order);
      if (older) older.before(element);
      else if (!document.getElementById("older")) feed.append(element);
      else continue; // older than all that is shown: "Older" brings it
    } else continue;
    // @ts-expect-error htmx is a plain script
    window.htmx?.process(element);
  }
  document.getElementById("empty")?.toggleAttribute("hidden", cards().length > 0);
  document.dispatchEvent(new Event("placed"));
}

/** The answer to what was sent. The balance is asked for anew: an answer may be older than what is shown. @param {string} html */
function answered(html) {
  place(html);
  document.body.dispatchEvent(new Event("balance"));
}

/** @param {string} url @param {boolean} [onlyNew] */
async function fetchInto(url, onlyNew) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (response.ok && response.headers.get("X-Fragment")) place(await response.text(), onlyNew);
}

/** After every change: what ended is said, and the header counts again. */
function announce() {
  const count = (/** @type {string} */ state) => cards().filter((card) => card.dataset.state === state).length;
  const words = [[count("running"), "running"], [count("queued"), "waiting"]];
  const header = document.getElementById("in-hand");
  if (header) header.textContent = words.filter(([many]) => many).map((pair) => pair.join(" ")).join(", ");
  for (const card of cards()) {
    if (card.dataset.inHand) awaited.add(card.id);
    else if (awaited.delete(card.id) && speaker) speaker.textContent = card.dataset.announce ?? "";
  }
}

document.addEventListener("fragment", (event) => answered(/** @type {CustomEvent<string>} */ (event).detail));
document.addEventListener("htmx:afterSwap", announce);
document.addEventListener("placed", announce);
document.body.addEventListener("changed", (event) => {
  const id = /** @type {CustomEvent<string>} */ (event).detail;
  if (!document.getElementById(`g-${id}`)) fetchInto(`/generations/${id}/card`);
});
document.body.addEventListener("resync", () => fetchInto("/studio/feed", true));
announce();
