"""Pictures for tests, honest and hostile, made from the formats' own rules."""

import io
import struct
import zlib

from PIL import Image

PALETTE = [(230, 40, 40), (40, 200, 60), (50, 60, 220)]


def encoded(image: Image.Image, family: str, **options: object) -> bytes:
    """Return the picture's bytes."""
    file = io.BytesIO()
    image.save(file, family, **options)
    return file.getvalue()


def quarters(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """Return red at the top left, green at the top right, blue below: turned or inverted it looks different."""
    image = Image.new("RGB", (width, height), PALETTE[2])
    image.paste(PALETTE[0], (0, 0, width // 2, height // 2))
    image.paste(PALETTE[1], (width // 2, 0, width, height // 2))
    return image.convert(mode)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk with a right CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, raw: bytes, *, depth: int = 8, colour: int = 2, before: bytes = b"", after: bytes = b""
) -> bytes:
    """Return a PNG with these scanlines, and chunks before and after its data."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", zlib.compress(raw, 9)) + after + chunk(b"IEND", b"")


def plain_png(width: int, height: int, **more: bytes) -> bytes:
    """Return a white RGB PNG without Pillow."""
    return png(width, height, (b"\0" + b"\xff" * (3 * width)) * height, **more)


def tiny_webp(width: int, height: int) -> bytes:
    """Return 34 bytes that are a lossless WebP of one colour, however large."""
    bits = (width - 1) | (height - 1) << 14
    body = b"\x2f" + struct.pack("<I", bits) + bytes.fromhex("0788 0000 0000 0000 0000".replace(" ", ""))[:9]
    if len(body) % 2:
        body += b"\0"
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body


def scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated until it has at least `count`."""
    data = encoded(quarters(256, 256), "JPEG", progressive=True, quality=90)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + b"\xff\xd9"


def segments(part: bytes, count: int) -> bytes:
    """Return a JPEG that begins with `part`, a segment or a marker, so many times."""
    data = encoded(quarters(), "JPEG")
    return data[:2] + part * count + data[2:]
