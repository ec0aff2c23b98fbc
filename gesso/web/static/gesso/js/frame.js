// @ts-check
/**
 * What the frame of every signed-in page does: the light or dark switch without a reload, and menus beside their buttons
 * in browsers that cannot anchor them by CSS. Without it the switch is a form and menus open in a corner.
 */

/** @param {SubmitEvent} event */
async function switchTheme(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const chosen = /** @type {HTMLButtonElement | null} */ (event.submitter);
  if (!form.matches("[data-theme-switch]") || !chosen) return;
  event.preventDefault();
  document.documentElement.dataset.theme = chosen.value;
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === chosen));
  const body = new FormData(form, chosen);
  const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" } }).catch(() => undefined);
  if (answer?.ok) return;
  const detail = "The choice was not saved. It lasts until this page is left.";
  document.dispatchEvent(new CustomEvent("toast", { detail }));
}

/** @param {Event} event */
function place(event) {
  const menu = /** @type {HTMLElement} */ (event.target);
  if (!menu.matches(".menu") || /** @type {ToggleEvent} */ (event).newState !== "open") return;
  const button = document.querySelector(`[popovertarget="${menu.id}"]:is(:focus, :hover)`) ?? document.querySelector(`[popovertarget="${menu.id}"]`);
  if (!button) return;
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const leftwards = menu.matches(".left") !== (getComputedStyle(menu).direction === "rtl");
  const below = !menu.matches(".up") && at.bottom + height < innerHeight;
  const left = leftwards ? at.right - width : at.left;
  menu.style.inset = "auto";
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, below ? at.bottom : at.top - height - 8)}px`;
}

document.addEventListener("submit", switchTheme);
if (!CSS.supports("position-area: block-end")) document.addEventListener("toggle", place, true);
