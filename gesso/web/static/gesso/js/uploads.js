// @ts-check
/**
 * Files into the tray: chosen, dropped anywhere in the window, or pasted. Each goes up at once, shows how far it is, and
 * becomes a chip, or a sentence beside the tray that says why it was refused.
 */

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-composer]"));
const tray = /** @type {HTMLElement} */ (form.querySelector("[data-tray]"));
const files = /** @type {HTMLInputElement} */ (form.querySelector('[type="file"]'));
const waiting = /** @type {HTMLTemplateElement} */ (document.getElementById("uploading"));

/** @param {string} words @param {boolean} [fresh] */
function say(words, fresh = false) {
  const refusal = /** @type {HTMLElement} */ (document.getElementById("error-references")); // an answer may have replaced it
  refusal.textContent = [fresh ? "" : refusal.textContent, words].filter(Boolean).join(" ");
  refusal.hidden = !refusal.textContent;
}

const told = () => document.dispatchEvent(new Event("chip"));

/** @param {File} file */
function upload(file) {
  const chip = /** @type {HTMLElement} */ (/** @type {DocumentFragment} */ (waiting.content.cloneNode(true)).firstElementChild);
  const [progress, label] = [chip.querySelector("progress"), chip.querySelector("p")];
  tray.querySelector("[data-add]")?.before(chip);
  told();
  const body = new FormData();
  body.append("file", file);
  const request = new XMLHttpRequest();
  request.open("POST", "/studio/references");
  request.setRequestHeader("HX-Request", "true");
  request.setRequestHeader("X-CSRFToken", /** @type {HTMLInputElement} */ (form.elements.namedItem("csrfmiddlewaretoken")).value);
  request.upload.onprogress = (event) => {
    const part = Math.round((event.loaded / event.total) * 100);
    if (progress) progress.value = part;
    if (label) label.textContent = part < 100 ? `${part} %` : "Checking";
  };
  request.onload = () => {
    const drawn = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("li, p");
    if (request.status === 201 && drawn) chip.replaceWith(drawn);
    else {
      chip.remove();
      say(`${file.name}: ${(request.getResponseHeader("X-Fragment") && drawn?.textContent) || "The upload failed. Try again."}`);
    }
    told();
  };
  request.onerror = () => {
    chip.remove();
    say(`${file.name}: The upload broke off. Try again.`);
    told();
  };
  chip.querySelector(".x")?.addEventListener("click", () => request.abort());
  request.send(body);
}

/** @param {Iterable<File>} chosen */
function add(chosen) {
  const all = [...chosen];
  const room = Math.max(0, Number(tray.dataset.most) - tray.querySelectorAll("li[data-image], li[data-state]").length);
  say(all.length > room ? `At most ${tray.dataset.most} references. ${all.length - room} left out.` : "", true);
  for (const file of all.slice(0, room)) {
    if (file.size > Number(tray.dataset.bytes)) say(`${file.name}: ${tray.dataset.tooBig}`);
    else upload(file);
  }
}

/** @param {DragEvent} event */
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

document.querySelector("[data-choose]")?.addEventListener("click", () => {
  document.getElementById("reference-add")?.hidePopover();
  files.click();
});
files.addEventListener("change", (event) => {
  event.stopPropagation();
  add(files.files ?? []);
  files.value = "";
});
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  form.toggleAttribute("data-over", true);
});
addEventListener("dragleave", (event) => event.relatedTarget || form.toggleAttribute("data-over", false));
addEventListener("drop", (event) => {
  form.toggleAttribute("data-over", false);
  if (!carriesFiles(event)) return;
  event.preventDefault();
  add(event.dataTransfer?.files ?? []);
});
addEventListener("paste", (event) => {
  const pasted = event.clipboardData?.files ?? [];
  if (!pasted.length) return;
  event.preventDefault();
  add(pasted);
});
