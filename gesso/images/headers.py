"""What the headers of a JPEG or WebP say before anything is decoded: the size, and how many scans a JPEG has.

Read here, in our own process, because it is cheap and bounded; only `decoding` opens a picture. PNG has `png`.
"""

import dataclasses
import re
import struct

SEGMENTS_MOST = 10_000  # of a JPEG; markers that stand alone count too
# In JPEG data a marker is FF and a byte other than 00 (stuffing), FF (fill) and D0 to D7 (restarts inside a scan).
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _END, _ALONE = 0xDA, 0xD9, frozenset({0x01, 0xD8})


class Broken(Exception):
    """The headers can't be followed; the message says why, for staff."""


class TooManySegments(Exception):
    """More segments than any honest JPEG has."""


class Animated(Exception):
    """A WebP with frames."""


@dataclasses.dataclass(frozen=True)
class Jpeg:
    """Pixels and the number of scans of the first picture in the file."""

    width: int
    height: int
    scans: int


def jpeg(data: bytes, *, scans_most: int) -> Jpeg:
    """Walk the markers of the first picture, stopping beyond `scans_most` scans. Raises Broken, TooManySegments.

    Segments are skipped by their length: an embedded thumbnail, a second view (MPO) or a video behind the picture
    does not count. Source: ITU-T T.81, annex B.
    """
    size: tuple[int, int] | None = None
    place, scans, segments = 2, 0, 0
    while scans <= scans_most and (found := _MARKER.search(data, place)):
        marker, place = data[found.end() - 1], found.end()
        if marker == _END:
            break
        segments += 1
        if segments > SEGMENTS_MOST:
            raise TooManySegments
        if marker in _ALONE:
            continue
        if place + 2 > len(data):
            raise Broken("cut off in a segment")
        (length,) = struct.unpack_from(">H", data, place)
        if marker in _START_OF_FRAME:
            if size is not None or length < 8 or place + 7 > len(data):
                raise Broken("two frames or a short one")
            height, width = struct.unpack_from(">HH", data, place + 3)
            size = width, height
        scans += marker == _START_OF_SCAN
        place += max(length, 2)
    if size is None or not scans:
        raise Broken("no frame or no scan")
    return Jpeg(*size, scans)


def webp(data: bytes) -> tuple[int, int]:
    """Return width and height of the canvas. Raises Broken, Animated.

    Source: WebP container specification; RFC 6386 section 9.1; WebP lossless bitstream section 3.
    """
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X" and len(body) == 10:
        if body[0] & 0b10:
            raise Animated
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        (bits,) = struct.unpack("<I", body[1:5])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(body) == 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise Broken("not a WebP header")
