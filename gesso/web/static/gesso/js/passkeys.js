// @ts-check
/**
 * Says in words why a passkey could not be used; allauth's scripts, which do the work, only write it to the console.
 * Browsers take passkeys on a named address alone: https with a domain, or localhost.
 */

/** @param {Error} problem */
function reason(problem) {
  if (problem.name === "NotAllowedError") return "No passkey was used. Try again, or sign in another way.";
  if (problem.name === "InvalidStateError") return "This passkey is known here already.";
  if (problem.name === "SecurityError" || !window.PublicKeyCredential) {
    return "Passkeys work on https with a domain, or on localhost. This address is neither.";
  }
  return "The passkey could not be used. Try again, or sign in another way.";
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const notice = document.getElementById("passkey-problem") ?? document.createElement("p");
  Object.assign(notice, { id: "passkey-problem", className: "notice" });
  notice.setAttribute("role", "alert");
  notice.dataset.tone = "bad";
  notice.textContent = reason(/** @type {CustomEvent<{exception: Error}>} */ (event).detail.exception);
  document.querySelector("main h1")?.after(notice);
});
