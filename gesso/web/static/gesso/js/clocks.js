// @ts-check
/**
 * Times as the reader knows them: `time[data-moment]` is said again in the browser's own timezone (a clock time today, a
 * date before), `time[data-clock]` to the second, and `time[data-elapsed]` counts on from the seconds the server said.
 */

/** When the browser first saw a counting clock, so that no clock of another machine matters.
 * @type {WeakMap<Element, number>} */
const began = new WeakMap();

/** @param {Date} day */
const dayOf = (day) => day.toDateString();

/** @param {HTMLTimeElement} time */
function localize(time) {
  const at = new Date(time.dateTime);
  const now = new Date();
  if (Number.isNaN(at.valueOf())) return;
  /** @type {Intl.DateTimeFormatOptions} */
  let options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if ("clock" in time.dataset) options = { ...options, second: "2-digit" };
  else if (dayOf(at) !== dayOf(now)) {
    options = { day: "numeric", month: "long" };
    if (at.getFullYear() !== now.getFullYear()) options.year = "numeric";
  }
  time.textContent = new Intl.DateTimeFormat("en-GB", options).format(at);
  delete time.dataset.moment;
  delete time.dataset.clock;
}

/** @param {Element} time */
function count(time) {
  const element = /** @type {HTMLTimeElement} */ (time);
  let start = began.get(element);
  if (start === undefined) {
    start = performance.now() - Number(element.dataset.elapsed) * 1000;
    began.set(element, start);
  }
  const seconds = Math.floor((performance.now() - start) / 1000);
  element.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function tick() {
  document.querySelectorAll("time[data-moment], time[data-clock]").forEach((time) => localize(/** @type {HTMLTimeElement} */ (time)));
  document.querySelectorAll("time[data-elapsed]").forEach(count);
}

tick();
setInterval(tick, 1000);
document.addEventListener("htmx:afterSwap", tick);
document.addEventListener("placed", tick);
