"""The hostile corpus of reliability.md, section A, against uploads and provider answers."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from gesso.images import decoding, intake
from tests.images import pictures


def refused(data: bytes) -> str:
    """Return the code with which an upload is refused."""
    with pytest.raises(intake.Refused) as refusal:
        intake.clean(data)
    assert str(refusal.value).endswith(".")
    return refusal.value.code


def cleaned(data: bytes) -> tuple[intake.Clean, Image.Image]:
    """Return what became of an upload and its decoded pixels."""
    made = intake.clean(data)
    image = Image.open(io.BytesIO(made.data))
    image.load()
    assert image.size == (made.width, made.height)
    return made, image


def close(pixel: object, colour: tuple[int, ...], most: int = 12) -> bool:
    """Whether two colours look the same."""
    return all(abs(one - two) <= most for one, two in zip(pixel, colour, strict=True))


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (pictures.png(30000, 30000, b"", depth=1, colour=0), "image_too_large", "30000 x 30000"),
        (pictures.png(13000, 13000, b""), "image_too_large", "the most is 25 megapixels"),
        (pictures.png(9400, 9400, b""), "image_too_large", "9400 x 9400"),
        (pictures.tiny_webp(16383, 16383), "image_too_large", "16383 x 16383"),
        (pictures.encoded(Image.new("L", (8193, 16)), "JPEG"), "image_too_large", "8192"),
        (pictures.encoded(Image.new("L", (5001, 5001)), "JPEG"), "image_too_large", "5001 x 5001"),
        (pictures.plain_png(8192, 1), "image_too_small", "at least 16"),
        (pictures.plain_png(1, 1), "image_too_small", "1 x 1"),
        (b"\xff\xd8\xff\xe0" + bytes(20_000_001), "image_too_large", "20 MB"),
        (pictures.scans(150), "image_too_complex", "100 scans"),
        (pictures.plain_png(20, 20, before=pictures.chunk(b"tEXt", b"a\0b") * 10_001), "image_too_complex", "too"),
        (pictures.segments(b"\xff\xe0\x00\x02", 10_001), "image_too_complex", "too"),
        (pictures.segments(b"\xff\x01", 10_001), "image_too_complex", "too"),
        (pictures.segments(b"\xff" * 20 + b"\xe0\x00\x02", 10_001), "image_too_complex", "too"),
    ],
    ids=[
        "U-01", "U-02", "U-03", "U-04", "side", "area", "aspect", "pixel", "bytes", "U-06", "U-07",
        "segments", "markers", "fill",
    ],
)  # fmt: skip
def test_bombs_are_refused_by_their_headers(data, code, words, monkeypatch):
    def never(*words: object, **more: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(decoding, "decode", never)
    with pytest.raises(intake.Refused, match=words) as refusal:
        intake.clean(data)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        b"<html><script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x1f\x8b\x08svgz",
        b"%!PS-Adobe-3.0 EPSF-3.0\n", b"push graphic-context\n", b"8BPS\0\x01", b"II*\0\x08\0\0\0", b"MM\0*", b"GIF89a",
        b"BM" + bytes(60), b"%PDF-1.7", b"\0\0\0 ftypheic", b"\0\0\0 ftypavif", b"\xff\x0a", b"SIMPLE  =",
        b"\0\0\x01\0", b"RIFF\0\0\0\0AVI ", b"\x89", b"\xff\xd8", b"data:image/png;base64,iVBO",
    ],
)  # fmt: skip
def test_no_other_type_comes_in(data):
    assert refused(data) == "image_wrong_type"


def test_an_empty_file_says_so():
    assert refused(b"") == "image_empty"


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8L"]
)
def test_a_signature_alone_is_damaged(data):
    assert refused(data) == "image_damaged"


@pytest.mark.parametrize("family", ["PNG", "JPEG", "WEBP"])
def test_cut_off_is_damaged(family):
    data = pictures.encoded(Image.effect_noise((96, 96), 50), family)
    for tenths in (1, 5, 9):
        cut = data[: len(data) * tenths // 10]
        assert refused(cut) == "image_damaged"
        with pytest.raises(intake.Refused):
            intake.prove(cut)


@pytest.mark.parametrize("family", ["PNG", "WEBP"])
def test_animation_is_refused(family):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    assert refused(pictures.encoded(frames[0], family, save_all=True, append_images=frames[1:])) == "image_animated"


@pytest.mark.parametrize(
    ("family", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
def test_each_family_stays_and_looks_the_same(family, media_type):
    made, image = cleaned(pictures.encoded(pictures.quarters(), family))
    assert made.media_type == media_type
    for place, colour in (((8, 8), 0), ((56, 8), 1), ((8, 40), 2)):
        assert close(image.convert("RGB").getpixel(place), pictures.PALETTE[colour])
    assert made.placeholder.startswith("#")
    assert intake.prove(pictures.encoded(pictures.quarters(), family)).media_type == media_type


def test_a_phones_two_pictures_give_the_first():
    data = pictures.encoded(pictures.quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    made, image = cleaned(data)
    assert made.media_type == "image/jpeg"
    assert close(image.getpixel((8, 8)), pictures.PALETTE[0])
    assert intake.prove(data).media_type == "image/jpeg"


def test_a_video_behind_a_photo_is_no_bomb():
    made, _ = cleaned(pictures.encoded(pictures.quarters(), "JPEG") + b"\xff\xda" * 5000)
    assert b"\xff\xda\xff\xda" not in made.data


def test_a_photo_with_many_notes_is_no_bomb():
    made, _ = cleaned(pictures.segments(b"\xff\xe4\x00\x06note", 1000))
    assert b"note" not in made.data


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_upright_and_the_tag_gone(orientation):
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Transpose values that undo each orientation
    turned = pictures.quarters()
    if orientation > 1:
        turned = turned.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    _, image = cleaned(pictures.encoded(turned, "JPEG", exif=exif, quality=95))
    assert image.size == (64, 48)
    assert close(image.getpixel((8, 8)), pictures.PALETTE[0])
    assert close(image.getpixel((56, 8)), pictures.PALETTE[1])
    assert not image.getexif()


@pytest.mark.parametrize("family", ["PNG", "JPEG", "WEBP"])
def test_nothing_but_pixels_stays(family):
    exif = Image.Exif()
    exif[0x010E] = "SECRET-EXIF"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"exif": exif, "icc_profile": profile, "comment": b"SECRET-COMMENT", "xmp": b"<x>SECRET-XMP</x>"}
    made, image = cleaned(pictures.encoded(pictures.quarters(), family, **options) + b"SECRET-TAIL<script>PK\x03\x04")
    assert b"SECRET" not in made.data
    assert not {"exif", "icc_profile", "xmp", "comment", "photoshop"} & set(image.info)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("CMYK", (32, 32), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("1", (32, 32), 1), (255, 255, 255)),
        (Image.new("LA", (32, 32), (90, 255)), (90, 90, 90)),
        (Image.new("I;16", (32, 32), 0x8080), (128, 128, 128)),
        (pictures.quarters().quantize(8), pictures.PALETTE[0]),
    ],
    ids=["cmyk", "one bit", "grey and alpha", "sixteen bits", "palette"],
)
def test_colours_of_every_kind(image, expected):
    _, made = cleaned(pictures.encoded(image, "JPEG" if image.mode == "CMYK" else "PNG"))
    assert close(made.convert("RGB").getpixel((4, 4)), expected)


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_transparency_by_key_stays_transparent(mode):
    image = Image.new("RGB", (32, 32), "black").convert(mode)
    key = {"P": image.getpixel((0, 0)), "RGB": (0, 0, 0), "L": 0}[mode]
    _, made = cleaned(pictures.encoded(image, "PNG", transparency=key))
    assert made.mode == "RGBA"
    assert made.getpixel((4, 4))[3] == 0


@pytest.mark.parametrize(
    "profile", [b"not a profile", bytes(200), struct.pack(">I", 2**31) + bytes(124), bytes(2_000_000)]
)
def test_a_malformed_profile_is_ignored(profile):
    _, made = cleaned(pictures.encoded(pictures.quarters(), "PNG", icc_profile=profile))
    assert close(made.getpixel((8, 8)), pictures.PALETTE[0])


def test_compressed_text_without_end_does_no_harm():
    bomb = pictures.chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))
    data = pictures.plain_png(20, 20, before=bomb * 80)
    assert intake.clean(data).width == 20


def test_the_largest_plain_picture_is_answered():
    data = pictures.encoded(Image.new("RGB", (5000, 5000), "#123456"), "WEBP", lossless=True)
    made = intake.clean(data)
    assert (made.width, made.placeholder) == (5000, "#123456")


def test_a_provider_is_held_to_the_same_bounds():
    for data in (b"<svg/>", pictures.tiny_webp(16383, 16383), pictures.plain_png(1, 1), pictures.scans(150)):
        with pytest.raises(intake.Refused):
            intake.prove(data)
