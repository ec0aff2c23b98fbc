"""What may come in: provider answers are proved and kept as they are, uploads are cleaned and kept as we re-encoded them.

Every refusal is a stable code and a sentence with its figures. Sizes are read from headers before anything is decoded;
decoding happens only in the limited child process (`decoding`).
"""

import dataclasses
import hashlib
import struct

from gesso.core import catalog
from gesso.images import decoding, png

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
SCANS_MOST = 100


class Refused(Exception):
    """The bytes may not come in. `code` is stable; the message is a sentence for a person."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Proof:
    """What was proved about a provider's picture: pixels, true type, SHA-256 of its bytes."""

    width: int
    height: int
    media_type: str
    sha256: bytes


@dataclasses.dataclass(frozen=True)
class Clean:
    """An upload after the re-encode: upright, no metadata, sRGB. `placeholder` is its mean colour, `#rrggbb`."""

    data: bytes = dataclasses.field(repr=False)
    width: int
    height: int
    media_type: str
    sha256: bytes
    placeholder: str


def prove(data: bytes) -> Proof:
    """Prove a provider's picture: within bounds and structurally whole. PNG without decoding, others decoded.

    Bytes after the end of a PNG are the provider's own matter: the original is kept untouched. Raises Refused.
    """
    family = sniff(data)
    if family != "PNG":
        made = _decode(data, "measure")
        return Proof(made.width, made.height, MEDIA_TYPES[family], hashlib.sha256(data).digest())
    try:
        head = png.header(data)
        _check_size(head.width, head.height)
        png.prove(data)
    except png.Broken as broken:
        raise _damaged() from broken
    except png.Animated:
        raise _animated() from None
    return Proof(head.width, head.height, "image/png", hashlib.sha256(data).digest())


def clean(data: bytes) -> Clean:
    """Decode an upload in the limited child and re-encode it in its own family: upright, sRGB, nothing but pixels.

    Raises Refused.
    """
    limit = catalog.current().limits.reference_bytes
    if len(data) > limit:
        raise Refused("image_too_large", f"This file is {len(data) / 1e6:.1f} MB; the most is {limit / 1e6:.0f} MB.")
    made = _decode(data, "clean")
    body = made.files["clean"]
    return Clean(
        body, made.width, made.height, MEDIA_TYPES[sniff(body)], hashlib.sha256(body).digest(), made.placeholder
    )


def sniff(data: bytes) -> str:
    """Return PNG, JPEG or WEBP by content; names and declared types don't count. Raises Refused."""
    if data.startswith(png.SIGNATURE):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if not data:
        raise Refused("image_empty", "This file is empty.")
    raise Refused("image_wrong_type", "This is not a PNG, JPEG or WebP picture.")


def _decode(data: bytes, task: str) -> decoding.Decoded:
    """Check what headers tell, then let the child do the task."""
    family = sniff(data)
    try:
        if family == "PNG":
            head = png.header(data)
            _check_size(head.width, head.height)
        elif family == "WEBP":
            _check_size(*_webp_size(data))
        elif _scans(data) > SCANS_MOST:
            raise Refused("image_too_complex", f"This JPEG has more than {SCANS_MOST} scans.")
        return decoding.decode(data, task, _limits())
    except png.Broken as broken:
        raise _damaged() from broken
    except decoding.TooLarge as size:
        _check_size(size.width, size.height)
        raise _damaged() from size
    except decoding.Animated:
        raise _animated() from None
    except decoding.Exhausted:
        raise Refused("image_too_complex", "This picture takes too long or too much memory to open.") from None
    except decoding.Undecodable as broken:
        raise _damaged() from broken


def _limits() -> decoding.Limits:
    limits = catalog.current().limits
    return decoding.Limits(limits.image_side_min, limits.image_side_max, limits.image_pixels)


def _check_size(width: int, height: int) -> None:
    limits = catalog.current().limits
    size = f"This picture is {width} x {height} pixels"
    if width * height > limits.image_pixels:
        raise Refused("image_too_large", f"{size}; the most is {limits.image_pixels / 1e6:.0f} megapixels.")
    if max(width, height) > limits.image_side_max:
        raise Refused("image_too_large", f"{size}; the longest side may have {limits.image_side_max}.")
    if min(width, height) < limits.image_side_min:
        raise Refused("image_too_small", f"{size}; each side needs at least {limits.image_side_min}.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return the canvas size. Source: WebP container specification; RFC 6386 section 9.1; WebP lossless section 3."""
    kind, body = data[12:16], data[20:]
    if kind == b"VP8X" and len(body) >= 10:
        if body[0] & 0b10:
            raise _animated()
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        (bits,) = struct.unpack("<I", body[1:5])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise _damaged()


def _scans(data: bytes) -> int:
    """Count start-of-scan markers; thumbnails inside count too, which only makes the bound stricter."""
    return data.count(b"\xff\xda")


def _damaged() -> Refused:
    return Refused("image_damaged", "This picture is damaged or cut off.")


def _animated() -> Refused:
    return Refused("image_animated", "This picture is animated; a still one is needed.")
