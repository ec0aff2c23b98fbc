// @ts-check
/**
 * One event stream for a page. It says on `body` what changed: `changed` (detail: the generation's id), `preview`
 * (detail: "<id> <index> <number>"), `balance`, `resync`. Pages are right without it: cards in hand also poll (`renewal`).
 * The balance may change between the page and its stream, so the stream is told which one the page shows.
 * A hidden tab holds no connection; when it is shown again, whatever was missed is asked for by `resync`.
 */

/** @type {EventSource | undefined} */
let source;
let last = "";

/** @param {string} name @param {string} [detail] */
const tell = (name, detail) => document.body.dispatchEvent(new CustomEvent(name, { detail }));

function close() {
  source?.close();
  source = undefined;
}

/** @param {boolean} again whether something may have been missed */
function open(again) {
  if (source || document.hidden) return;
  const shown = document.getElementById("balance")?.dataset.available ?? "";
  const opened = new EventSource(`/events?${again ? `after=${last || 0}` : `available=${shown}`}`);
  source = opened;
  for (const name of ["changed", "preview", "balance", "resync"]) {
    opened.addEventListener(name, (event) => {
      const { data, lastEventId } = /** @type {MessageEvent<string>} */ (event);
      last = lastEventId;
      tell(name, data);
    });
  }
  opened.onerror = () => {
    if (opened.readyState !== EventSource.CLOSED || source !== opened) return; // the browser tries again by itself
    close();
    setTimeout(open, 1000 + Math.random() * 2000, true);
  };
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open(true)));
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => event.persisted && open(true));
open(false);
