"""Reading calls to the fake provider as strictly as OpenAI does: what it refuses, the fake refuses in the same words."""

import base64
import dataclasses
import hashlib
import json
import re
from typing import Any

QUALITIES = ("low", "medium", "high", "auto")
_PLAIN = {
    "prompt", "model", "n", "size", "quality", "background", "output_format", "output_compression", "stream",
    "partial_images", "safety_identifier", "user",
}  # fmt: skip
_NAMES = {
    "generations": _PLAIN | {"moderation", "complexity"},
    "edits": _PLAIN | {"image", "image[]", "mask", "input_fidelity"},
}
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))
_OLD_SIZES = ("1024x1024", "1536x1024", "1024x1536")


class Mistake(Exception):
    """The caller's mistake, as OpenAI answers it with status 400."""

    def __init__(self, message: str, *, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


@dataclasses.dataclass(frozen=True)
class Upload:
    """One file of a multipart body."""

    field: str
    name: str
    media_type: str
    data: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One call for images, checked."""

    prompt: str
    model: str
    width: int
    height: int
    quality: str
    background: str
    family: str  # png, webp, jpeg
    count: int
    stream: bool
    partials: int
    end_user: str
    references: tuple[Upload, ...] = ()

    @property
    def size(self) -> str:
        """Return the size as it is asked for."""
        return f"{self.width}x{self.height}"


def read_images(door: str, content_type: str, body: bytes) -> Wanted:
    """Return what a call to `generations` or `edits` wants. Raises Mistake."""
    words, uploads = (_multipart if door == "edits" else _json)(content_type, body)
    for name in words:
        if name not in _NAMES[door]:
            raise Mistake(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    prompt = words.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise Mistake("Missing required parameter: 'prompt'.", code="missing_required_parameter", param="prompt")
    if len(prompt) > 32_000:
        raise Mistake("Invalid 'prompt': string too long.", code="string_above_max_length", param="prompt")
    references = tuple(one for one in uploads if one.field in {"image", "image[]"})
    if door == "edits":
        _check_references(references)
    model = str(words.get("model") or "gpt-image-2")
    width, height = _size(model, str(words.get("size") or "auto"))
    family = _one_of(words, "output_format", ("png", "webp", "jpeg"))
    background = _one_of(words, "background", ("auto", "opaque", "transparent"))
    if background == "transparent" and family == "jpeg":
        raise Mistake("Transparent background is not supported for jpeg.", param="background")
    return Wanted(
        prompt=prompt, model=model, width=width, height=height, quality=_one_of(words, "quality", QUALITIES, "auto"),
        background=background, family=family, count=_integer(words, "n", 1, 1, 10),
        stream=str(words.get("stream", "")).lower() == "true", partials=_integer(words, "partial_images", 0, 0, 3),
        end_user=str(words.get("safety_identifier", "")), references=references,
    )  # fmt: skip


def read_moderation(body: bytes) -> tuple[str, list[bytes]]:
    """Return the text and the pictures to judge. Raises Mistake: above all for more than one picture."""
    words = _json("application/json", body)[0]
    asked = words.get("input")
    if isinstance(asked, str):
        return asked, []
    if not isinstance(asked, list) or not asked:
        raise Mistake("Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    texts, pictures = [], []
    for part in asked:
        if isinstance(part, str):
            texts.append(part)
        elif part.get("type") == "text":
            texts.append(part["text"])
        elif part.get("type") == "image_url":
            pictures.append(_data_url(part["image_url"]["url"]))
        else:
            raise Mistake("Invalid value for 'input'.", param="input")
    if len(pictures) > 1:
        raise Mistake(f"Number of images ({len(pictures)}) exceeds maximum of 1.", code="too_many_images")
    return " ".join(texts), pictures


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _data_url(url: str) -> bytes:
    head, _, text = url.partition(";base64,")
    data = base64.b64decode(text, validate=True) if head.startswith("data:image/") else b""
    if true_type(data) != head.removeprefix("data:"):
        raise Mistake("The image is not what its media type says.", code="invalid_image_format", param="input")
    return data


def true_type(data: bytes) -> str:
    """Return the media type that the first bytes show, or an empty string."""
    return next((media_type for magic, media_type in _MAGIC if data.startswith(magic)), "")


def _check_references(references: tuple[Upload, ...]) -> None:
    if not references:
        raise Mistake("Missing required parameter: 'image'.", code="missing_required_parameter", param="image")
    if len(references) > 16:
        raise Mistake("Invalid 'image': array too long.", code="array_above_max_length", param="image")
    for one in references:
        if not one.media_type or true_type(one.data) != one.media_type:
            raise Mistake(f"Invalid file '{one.name}'.", code="unsupported_file_mimetype", param="image")


def _size(model: str, text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", "1024x1024" if text == "auto" else text)
    if not found:
        raise Mistake(f"Invalid value: '{text}'.", param="size")
    width, height = int(found[1]), int(found[2])
    if model.startswith(("gpt-image-2", "chatgpt-image")):
        bad = width % 16 or height % 16 or not 1 / 3 <= width / height <= 3 or max(width, height) > 3840
        if bad or not 655_360 <= width * height <= 8_294_400:
            raise Mistake(f"Invalid value: '{text}'.", param="size")
    elif model.startswith("gpt-image-1") and f"{width}x{height}" not in _OLD_SIZES:
        raise Mistake(f"Invalid value: '{text}'.", param="size")
    return width, height


def _one_of(words: dict[str, Any], name: str, known: tuple[str, ...], default: str = "") -> str:
    value = words.get(name) or default or known[0]
    if value not in known:
        raise Mistake(f"Invalid value: '{value}'.", param=name)
    return str(value)


def _integer(words: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = str(words.get(name, default))
    if not value.isdigit() or not low <= int(value) <= high:
        raise Mistake(f"Invalid value: '{value}'.", param=name)
    return int(value)


def _json(content_type: str, body: bytes) -> tuple[dict[str, Any], list[Upload]]:
    try:
        words = json.loads(body) if content_type.startswith("application/json") else None
    except ValueError:
        words = None
    if not isinstance(words, dict):
        raise Mistake("We could not parse the JSON body of your request.", code="invalid_json")
    return words, []


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], list[Upload]]:
    boundary = re.fullmatch(r'multipart/form-data;\s*boundary="?([^";]+)"?', content_type)
    if not boundary:
        raise Mistake("Expected multipart/form-data.", code="unsupported_content_type")
    mark = b"\r\n--" + boundary[1].encode()
    words: dict[str, Any] = {}
    uploads: list[Upload] = []
    pieces = (b"\r\n" + body).split(mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Mistake("The multipart body is not whole.", code="invalid_multipart")
    for piece in pieces[1:-1]:
        head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        field = re.search(rb'name="([^"]*)"', head)
        if not field:
            raise Mistake("A part of the multipart body has no name.", code="invalid_multipart")
        name = re.search(rb'filename="([^"]*)"', head)
        if name:
            kind = re.search(rb"(?i)content-type:\s*([^\r\n;]+)", head)
            uploads.append(Upload(field[1].decode(), name[1].decode(), kind[1].decode() if kind else "", data))
        else:
            words[field[1].decode()] = data.decode()
    return words, uploads
