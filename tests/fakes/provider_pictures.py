"""The fake provider's pictures: cheap to make, valid, of the right size, and each of a colour of its own; or broken.

A small picture is a PNG of two palette entries, a field and a frame; only its palette differs from call to call, so its
compressed rows are made once for each size. A picture of noise is made once for each size and number of bytes.
"""

import base64
import colorsys
import functools
import hashlib
import io
import random
import struct
import zlib

from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BOMB_SIDE = 30_000


def colour_of(number: int) -> tuple[int, int, int]:
    """Return the colour of call `number`: neighbours differ widely, and the first thousands are all different."""
    turn, rest = (number * 0.618033988749895) % 1, number % 97
    red, green, blue = colorsys.hls_to_rgb(turn, 0.35 + rest / 97 * 0.3, 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def hex_of(colour: tuple[int, int, int]) -> str:
    """Return `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def small(width: int, height: int, family: str, colour: tuple[int, int, int], *, transparent: bool = False) -> bytes:
    """Return a picture whose middle and corners' frame are of `colour` (the frame darker, or clear)."""
    darker = tuple(value // 2 for value in colour)
    clear = _chunk(b"tRNS", b"\x00\xff") if transparent else b""
    data = _png(width, height, 1, 3, _chunk(b"PLTE", bytes([*darker, *colour])) + clear, _framed_rows(width, height))
    if family == "png":
        return data
    with Image.open(io.BytesIO(data)) as image:
        return _encoded(image.convert("RGBA" if transparent and family == "webp" else "RGB"), family)


@functools.cache
def noise(width: int, height: int, family: str, size: int) -> bytes:
    """Return a picture of about `size` bytes (never more than its pixels allow): rows of noise, then plain rows."""
    chance = random.Random(f"{width}x{height}")
    if family == "png":
        rows = min(height, round(size / (3 * width)))
        raw = [b"\x00" + chance.randbytes(3 * width) for _ in range(rows)]
        raw += [b"\x00" + bytes(3 * width)] * (height - rows)
        return _png(width, height, 8, 2, b"", zlib.compress(b"".join(raw), 1))
    whole = Image.frombytes("RGB", (width, height), chance.randbytes(3 * width * height))
    rows = min(height, round(height * size / len(_encoded(whole, family))))
    picture = Image.new("RGB", whole.size)
    picture.paste(whole.crop((0, 0, width, rows)))
    return _encoded(picture, family)


@functools.cache
def noise_base64(width: int, height: int, family: str, size: int) -> bytes:
    """Return `noise` in base64."""
    return base64.b64encode(noise(width, height, family, size))


@functools.cache
def noise_digest(width: int, height: int, family: str, size: int) -> str:
    """Return the SHA-256 of `noise` in hexadecimal digits."""
    return hashlib.sha256(noise(width, height, family, size)).hexdigest()


def broken(fault: str, width: int, height: int, family: str, colour: tuple[int, int, int]) -> bytes | None:
    """Return what a fault of the picture sends instead of it; None when `fault` is no such fault."""
    whole = small(width, height, family, colour)
    match fault:
        case "wrong-size":
            return small(width // 2, height // 2, family, colour)
        case "bad-crc":
            png = bytearray(small(width, height, "png", colour))
            png[-14] ^= 0xFF  # the CRC of the last IDAT: IEND takes the last 12 bytes
            return bytes(png)
        case "half-picture":
            return whole[: len(whole) // 2]
        case "bomb":
            return _png(BOMB_SIDE, BOMB_SIDE, 8, 2, b"", zlib.compress(bytes(1000), 9))
        case "not-picture":
            return b"This is not a picture."
        case "svg":
            return (
                b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64"/></svg>'
            )
        case "gif":
            return _encoded(Image.new("P", (width, height)), "gif")
    return None


@functools.cache
def _framed_rows(width: int, height: int) -> bytes:
    """Return compressed rows of one bit for each pixel: entry 1 in the middle, entry 0 around it."""
    stride = (width + 7) // 8
    margin = stride // 8
    plain = b"\x00" + bytes(stride)
    field = b"\x00" + bytes(margin) + b"\xff" * (stride - 2 * margin) + bytes(margin)
    edge = height // 8
    return zlib.compress(plain * edge + field * (height - 2 * edge) + plain * edge, 9)


def _png(width: int, height: int, depth: int, colours: int, before: bytes, rows: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return _SIGNATURE + head + before + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _encoded(image: Image.Image, family: str) -> bytes:
    file = io.BytesIO()
    image.save(file, family.upper(), **({"quality": 90} if family in {"jpeg", "webp"} else {}))
    return file.getvalue()
