// @ts-check
/**
 * Sending the composer. It never blocks the next one: a generation's ids are made here, one for each shape, so that a
 * double click, or the same again after a lost answer, is one generation. What was typed always stays.
 */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
const go = /** @type {HTMLButtonElement} */ (form.querySelector(".go"));
const DOUBLE_CLICK = 1000; // milliseconds

/** @type {{body: string, ids: string[], at: number, answered: boolean}} */
let latest = { body: "", ids: [], at: 0, answered: true };
let open = 0;

/** A UUID of version 7 (RFC 9562): sorts by the time it was made. */
function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | BigInt((bytes[6] << 8) | bytes[7]));
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return [...bytes].map((byte, i) => ([4, 6, 8, 10].includes(i) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
}

/** @param {URLSearchParams} body */
function identify(body) {
  body.delete("id");
  const words = body.toString();
  const now = performance.now();
  const same = words === latest.body && (!latest.answered || now - latest.at < DOUBLE_CLICK);
  if (!same) latest = { body: words, ids: body.getAll("aspect_ratio").map(uuid7), at: now, answered: false };
  for (const id of latest.ids) body.append("id", id);
  return latest;
}

/** @param {string} words */
function refuse(words) {
  const notice = /** @type {HTMLElement} */ (document.getElementById("refusal"));
  notice.textContent = words;
  notice.hidden = !words;
}

function showMistakes() {
  const mistakes = [...form.querySelectorAll(/** @type {"p"} */ (".error[id^=error-]"))];
  let first = true;
  for (const mistake of mistakes) {
    const field = /** @type {HTMLElement | null} */ (form.querySelector(`[name="${mistake.id.slice(6)}"]`));
    field?.toggleAttribute("aria-invalid", false);
    if (mistake.hidden) continue;
    field?.setAttribute("aria-invalid", "true");
    if (first) {
      mistake.closest("details")?.setAttribute("open", "");
      if (!mistake.checkVisibility()) document.dispatchEvent(new Event("unseen"));
      field?.focus();
    }
    first = false;
  }
}

/** @param {SubmitEvent} event */
async function send(event) {
  event.preventDefault();
  const body = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  const sent = identify(body);
  open += 1;
  go.setAttribute("aria-busy", "true");
  refuse("");
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } });
    const drawn = response.headers.get("X-Fragment") ? await response.text() : "";
    sent.answered = drawn !== ""; // what is no answer of ours may have come after it was taken
    // Signed out, or the page is too old: a new one brings the draft back.
    if (!drawn && (response.redirected || [401, 403].includes(response.status))) return location.assign("/studio");
    if (!drawn) return refuse(`Gesso could not take this (${response.status}). Your prompt is kept. Generate sends the same again, never twice.`);
    document.dispatchEvent(new CustomEvent("fragment", { detail: drawn }));
    showMistakes();
    // The composer itself says what is short, and offers a way out.
    if (response.status === 402 && document.getElementById("shortfall")?.hidden === false) refuse("");
    if (response.ok) document.dispatchEvent(new CustomEvent("submitted", { detail: body.get("prompt") }));
  } catch {
    refuse("Could not reach Gesso. Your prompt and settings are kept here. Generate sends the same again, never twice.");
  } finally {
    open -= 1;
    if (!open) go.removeAttribute("aria-busy");
  }
}

form.addEventListener("submit", send);
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit(go);
});
form.addEventListener("input", (event) => {
  const name = /** @type {HTMLInputElement} */ (event.target).name;
  const mistake = document.getElementById(`error-${name}`);
  if (mistake) mistake.hidden = true;
  /** @type {HTMLElement} */ (event.target).removeAttribute("aria-invalid");
});
