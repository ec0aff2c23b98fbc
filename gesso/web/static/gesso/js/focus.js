// @ts-check
/**
 * Where focus goes when the picker of references closes, and when the button that had it is out of sight since the tray
 * changed: to the button that adds, or to the last reference when no more fit.
 */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));

function toTray() {
  const buttons = [...form.querySelectorAll(/** @type {"button"} */ ("[popovertarget=reference-add], [data-tray] .pic"))];
  const seen = buttons.filter((button) => button.checkVisibility());
  (seen.find((button) => button.matches("[popovertarget=reference-add]")) ?? seen.at(-1))?.focus();
}

document.getElementById("picker")?.addEventListener("close", toTray);
form.addEventListener("change", () => document.activeElement?.checkVisibility() || toTray());
