// @ts-check
/**
 * Favourite, trash and restore without a reload. Buttons with `data-act` belong to the form `act` and say by `formaction`
 * where they send it; without this module they are plain forms. The trash offers undo; a failure says so and changes nothing.
 */

const act = /** @type {HTMLFormElement | null} */ (document.getElementById("act"));

/** @param {string} words @param {() => void} [undo] */
const say = (words, undo) => document.dispatchEvent(new CustomEvent("toast", { detail: { words, undo } }));

/** @param {string} url @param {HTMLElement} [button] */
async function send(url, button) {
  const body = act ? new FormData(act, button) : undefined;
  const answer = await fetch(url, { method: "POST", body, headers: { "HX-Request": "true" } }).catch(() => undefined);
  const done = answer?.status === 204;
  if (!done) say("That did not work. Nothing was changed.");
  return done;
}

/** @param {HTMLButtonElement} button */
async function favourite(button) {
  const on = button.value === "1";
  if (!(await send(button.formAction, button))) return;
  button.value = on ? "0" : "1";
  button.setAttribute("aria-pressed", String(on));
}

/** Takes the tile off the wall, or reloads the page of a single image. @param {HTMLButtonElement} button */
async function move(button) {
  const { formAction } = button;
  const putBack = button.dataset.act === "restore";
  const tile = button.closest("li");
  if (!(await send(formAction, button))) return;
  if (!tile) {
    location.reload();
    return;
  }
  const list = /** @type {HTMLElement} */ (tile.parentElement);
  const next = tile.nextElementSibling;
  const section = tile.closest("section");
  const focus = (next ?? tile.previousElementSibling)?.querySelector("a");
  tile.remove();
  section?.toggleAttribute("hidden", !list.childElementCount);
  if (focus) focus.focus();
  else document.getElementById("main")?.focus();
  const back = formAction.replace(/[^/]*$/, putBack ? "trash" : "restore");
  say(putBack ? "Put back" : "Moved to trash", async () => {
    if (!(await send(back))) return;
    list.insertBefore(tile, next?.parentElement === list ? next : null);
    section?.removeAttribute("hidden");
    tile.querySelector("a")?.focus();
  });
}

act?.addEventListener("submit", (event) => {
  const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
  if (!button?.dataset.act) return;
  event.preventDefault();
  if (button.dataset.act === "favourite") favourite(button);
  else move(button);
});
