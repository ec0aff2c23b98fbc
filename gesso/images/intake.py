"""What may come in: provider answers are proved and kept as they are, uploads are kept as we re-encoded them.

Every refusal is a stable code and a sentence with its figures. Sizes are read from headers before anything is decoded;
decoding happens only in the limited child process (`decoding`).
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator

from gesso.core import catalog
from gesso.images import decoding, headers, png

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

    Bytes behind the end of a picture are the provider's own matter: the original is kept untouched, and what people
    see is made from its pixels. Raises Refused.
    """
    with _refusing():
        family, width, height = _check_headers(data)
        if family != "PNG":
            made = decoding.decode(data, "measure", limits())
            width, height = made.width, made.height
    return Proof(width, height, MEDIA_TYPES[family], hashlib.sha256(data).digest())


def clean(data: bytes) -> Clean:
    """Decode an upload in the limited child and re-encode it in its own family: upright, sRGB, nothing but pixels.

    Raises Refused.
    """
    limit = catalog.current().limits.reference_bytes
    if len(data) > limit:
        words = f"This file is {len(data):,} bytes; the most is {limit:,} ({limit / 1e6:.0f} MB)."
        raise Refused("image_too_large", words)
    with _refusing():
        _check_headers(data)
        made = decoding.decode(data, "clean", limits())
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


def limits() -> decoding.Limits:
    """Return the catalogue's bounds for one picture."""
    bounds = catalog.current().limits
    return decoding.Limits(bounds.image_side_min, bounds.image_side_max, bounds.image_pixels)


def _check_headers(data: bytes) -> tuple[str, int, int]:
    """Return family, width and height once everything that can be told without decoding is in order."""
    family = sniff(data)
    if family == "PNG":
        head = png.header(data)
        _check_size(head.width, head.height)
        png.prove(data)
        return family, head.width, head.height
    if family == "WEBP":
        width, height = headers.webp(data)
        _check_size(width, height)
        return family, width, height
    found = headers.jpeg(data, scans_most=SCANS_MOST)
    _check_size(found.width, found.height)
    if found.scans > SCANS_MOST:
        raise Refused("image_too_complex", f"This JPEG has more than {SCANS_MOST} scans.")
    return family, found.width, found.height


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turn what can be wrong with a picture into the sentence for a person."""
    try:
        yield
    except (png.Broken, headers.Broken, decoding.Undecodable) as broken:
        raise Refused("image_damaged", "This picture is damaged or cut off.") from broken
    except (png.Animated, headers.Animated, decoding.Animated) as animated:
        raise Refused("image_animated", "This picture is animated; a still one is needed.") from animated
    except (png.TooManyChunks, headers.TooManySegments, decoding.Exhausted) as exhausted:
        raise Refused("image_too_complex", "This picture takes too long or too much memory to open.") from exhausted
    except decoding.TooLarge as size:
        _check_size(size.width, size.height)
        raise Refused("image_damaged", "This picture is damaged: its size is unclear.") from size


def _check_size(width: int, height: int) -> None:
    bounds = limits()
    size = f"This picture is {width} x {height} pixels"
    if width * height > bounds.pixels:
        raise Refused("image_too_large", f"{size}; the most is {bounds.pixels / 1e6:.0f} megapixels.")
    if max(width, height) > bounds.side_max:
        raise Refused("image_too_large", f"{size}; the longest side may have {bounds.side_max}.")
    if min(width, height) < bounds.side_min:
        raise Refused("image_too_small", f"{size}; each side needs at least {bounds.side_min}.")
