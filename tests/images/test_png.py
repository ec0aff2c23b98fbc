"""The proof of a PNG: everything honest passes, every cut and every flipped bit of structure is seen."""

import random
import zlib

import pytest
from isal import isal_zlib
from PIL import Image

from gesso.images import png
from tests.images import pictures


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 64)])
def test_every_kind_of_pixel(mode, size):
    assert png.prove(pictures.encoded(Image.new(mode, size), "PNG")).width == size[0]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 9), (64, 33)])
def test_interlaced(size):
    head = png.Header(*size, 8, 2, interlaced=True)
    raw = b"".join(b"\0" + b"\x80" * (row - 1) for row in head.rows)
    made = pictures.png(*size, raw)
    made = made[:8] + pictures.chunk(b"IHDR", made[16:28] + b"\x01") + made[33:]
    assert png.prove(made) == head
    with Image.open(__import__("io").BytesIO(made)) as opened:
        opened.load()


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (1024, 1280), (1536, 1024), (1023, 1367), (4096, 1025)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_plain_pictures_whose_data_ends_just_behind_a_step(width, height, mode):
    """isal may have read everything while the last rows still wait inside it."""
    assert png.prove(pictures.encoded(Image.new(mode, (width, height), "white"), "PNG")).height == height


def test_no_length_is_special():
    for extra in range(0, 3000, 97):
        width = (1 << 20) - 1 + extra
        raw = b"\0" + bytes(width)
        assert png.prove(pictures.png(width, 1, raw, colour=0)).width == width


def test_data_in_many_pieces():
    packed = zlib.compress((b"\0" + bytes(300)) * 100)
    pieces = b"".join(pictures.chunk(b"IDAT", packed[n : n + 1]) for n in range(len(packed)))
    whole = pictures.plain_png(100, 100)
    assert png.prove(whole[:33] + pieces + pictures.chunk(b"IEND", b"")).width == 100


def test_every_cut_is_seen():
    data = pictures.encoded(pictures.quarters(), "PNG")
    for length in range(len(data)):
        with pytest.raises(png.Broken):
            png.prove(data[:length])


def test_every_flipped_byte_is_seen():
    data = pictures.encoded(Image.effect_noise((64, 64), 60), "PNG")
    chance = random.Random(7)
    for _ in range(400):
        place = chance.randrange(len(data))
        broken = bytearray(data)
        broken[place] ^= 1 << chance.randrange(8)
        with pytest.raises((png.Broken, png.TooManyChunks)):
            png.prove(bytes(broken))


ROW = b"\0" + b"\xff" * 30
IHDR = pictures.plain_png(10, 10)[:33]
IEND = pictures.chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        pictures.png(10, 10, ROW * 11),
        pictures.png(10, 10, ROW * 9),
        pictures.png(10, 10, ROW * 9 + b"\x05" + ROW[1:]),
        pictures.png(10, 10, ROW * 10, colour=3),
        pictures.plain_png(10, 10, before=pictures.chunk(b"EVIL", b"")),
        pictures.plain_png(10, 10, after=pictures.chunk(b"tEXt", b"a\0b") + pictures.chunk(b"IDAT", b"")),
        IHDR + IEND,
        IHDR + pictures.chunk(b"IDAT", zlib.compress(ROW * 10)[:-1] + b"\0") + IEND,
        IHDR + pictures.chunk(b"IDAT", b"not zlib") + IEND,
        pictures.png(0, 0, b""),
        pictures.png(1, 2**31, b""),
        pictures.png(2**31 - 1, 2**31 - 1, b"")[:30],
        pictures.png(10, 10, ROW * 10, depth=3),
    ],
    ids=[
        "more",
        "less",
        "filter",
        "palette",
        "critical",
        "parted",
        "empty",
        "adler",
        "garbage",
        "zero",
        "huge",
        "cut",
        "depth",
    ],
)
def test_structure(data):
    with pytest.raises(png.Broken):
        png.prove(data)


def test_what_follows_the_end_is_not_ours_to_judge():
    assert png.prove(pictures.plain_png(10, 10) + b"trailing").width == 10


def test_a_bomb_is_seen_before_it_grows(monkeypatch):
    """200 MB behind a header of 10 x 10: one step is inflated, no more."""
    given = []
    real = isal_zlib.decompressobj

    def counted(*words):
        class Counting:
            inner = real(*words)
            eof = property(lambda self: self.inner.eof)
            unconsumed_tail = property(lambda self: self.inner.unconsumed_tail)

            def decompress(self, *args):
                out = self.inner.decompress(*args)
                given.append(len(out))
                return out

        return Counting()

    monkeypatch.setattr(isal_zlib, "decompressobj", counted)
    with pytest.raises(png.Broken, match="more picture data"):
        png.prove(pictures.png(10, 10, bytes(200_000_000)))
    assert sum(given) <= 1 << 20


def test_too_many_chunks_and_animation():
    with pytest.raises(png.TooManyChunks):
        png.prove(pictures.plain_png(10, 10, before=pictures.chunk(b"tEXt", b"a\0b") * 200_000))
    with pytest.raises(png.Animated):
        png.prove(pictures.plain_png(10, 10, before=pictures.chunk(b"acTL", bytes(8))))
