// @ts-check
/**
 * Previews: a partial picture is shown on its tile as soon as the stream says that it is there.
 */

/** @param {Event} event */
function preview(event) {
  const [id, index, number] = /** @type {CustomEvent<string>} */ (event).detail.split(" ");
  const tile = document.querySelector(`#g-${id} .tile[data-index="${index}"]:is([data-state="waiting"], [data-state="preview"])`);
  if (!tile) return;
  const picture = tile.querySelector("img") ?? document.createElement("img");
  picture.alt = "";
  picture.src = `/generations/${id}/previews/${index}?n=${number}`;
  /** @type {HTMLElement} */ (tile).dataset.state = "preview";
  tile.prepend(picture);
  const caption = tile.querySelector(".cap");
  if (caption) caption.textContent = "Preview";
}

document.body.addEventListener("preview", preview);
