// @ts-check
/**
 * "Download all" on a card: presses the download of each of its pictures, one after the other. Browsers drop downloads
 * that begin in the same moment, and may ask once whether several are meant.
 */

const PAUSE = 400; // milliseconds

document.addEventListener("click", async (event) => {
  const button = /** @type {Element} */ (event.target).closest("[data-download-all]");
  if (!button || button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  for (const link of button.closest("article")?.querySelectorAll(/** @type {"a"} */ ('a[data-key="d"]')) ?? []) {
    link.click();
    await new Promise((done) => setTimeout(done, PAUSE));
  }
  button.removeAttribute("aria-busy");
});
