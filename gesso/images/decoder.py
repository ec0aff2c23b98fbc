"""The child process that decodes one picture, and nothing else. Run as a script, never imported by Gesso.

It gets one line of JSON about the task and then the bytes on its input, and answers with one line of JSON and then the
files it made. Before it reads a byte it gives up privileges, network, memory and time; an error is a word in the
answer, a crash is the parent's to notice.
"""

import io
import json
import os
import resource
import sys
import zlib

sys.path.insert(0, sys.argv[1])  # where Pillow is: the interpreter runs isolated, without site-packages

import warnings

from PIL import (
    Image,
    ImageCms,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

FORMATS = ("PNG", "JPEG", "WEBP")  # the JPEG module opens a phone's MPO too
MEMORY = 1 << 30
CPU_SECONDS = 10
ANSWER_MOST = 256 << 20  # bytes
NOBODY = 65534
PREVIEW_SIDE, THUMB_SIDE = 1280, 480
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"})
ICC_MOST = 1_000_000  # bytes; a larger profile is ignored

# All code is read before privileges go (EXIF is read by the TIFF module). No other format is ever loaded: Pillow is
# told that it has loaded all it knows.
_loaded = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)
Image._initialized = 2  # noqa: SLF001 (there is no public way)


class Answer(Exception):
    """Ends the task with these words."""

    def __init__(self, **words: object) -> None:
        super().__init__()
        self.words = words


def confine() -> None:
    """Give up what decoding does not need; what the system does not allow us to give up stays."""
    if sys.argv[2] == "idle" and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif sys.argv[2] == "idle":
        os.nice(19)
    if sys.platform == "linux":
        import ctypes

        # CLONE_NEWNET, with CLONE_NEWUSER when not root: no network from here on. A kernel that refuses, refuses.
        ctypes.CDLL(None, use_errno=True).unshare(0x40000000 if os.geteuid() == 0 else 0x50000000)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    for kind, limit in (
        (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, CPU_SECONDS), (resource.RLIMIT_FSIZE, ANSWER_MOST),
        (resource.RLIMIT_NOFILE, 16), (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        if sys.platform == "linux" or kind != resource.RLIMIT_AS:  # macOS refuses to bound the address space
            resource.setrlimit(kind, (limit, limit))


def opened(data: bytes, task: dict[str, object]) -> Image.Image:
    """Return the picture, its size checked before a pixel is decoded, whole, upright and in sRGB."""
    low, high, pixels = int(str(task["side_min"])), int(str(task["side_max"])), int(str(task["pixels"]))
    Image.MAX_IMAGE_PIXELS = high * high  # Pillow's own bound, for what it makes on the way; ours comes right after
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    image = Image.open(io.BytesIO(lean(data)), formats=FORMATS)
    width, height = image.size
    if width * height > pixels or max(image.size) > high or min(image.size) < low:
        raise Answer(error="size", width=width, height=height)
    # A phone's MPO holds a second view: its first counts.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise Answer(error="animated")
    image.load()
    return image


def lean(data: bytes) -> bytes:
    """Return a PNG without the chunks that pixels don't need: compressed text may be a bomb of its own."""
    if not data.startswith(b"\x89PNG"):
        return data
    view, place = memoryview(data), 8
    kept = [view[:8]]
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(view[place : place + 4], "big")
        kind, body = bytes(view[place + 4 : place + 8]), view[place + 8 : end - 4]
        if kind in PNG_CHUNKS or (kind == b"iCCP" and not_huge(bytes(body))):
            kept.append(view[place:end])
        place = end
    return b"".join(kept)


def not_huge(profile: bytes) -> bool:
    """Whether an iCCP chunk inflates to no more than a profile may have."""
    inflater = zlib.decompressobj()
    try:
        inflater.decompress(profile.partition(b"\0")[2][1:], ICC_MOST)
    except zlib.error:
        return False
    return inflater.eof


def upright(image: Image.Image) -> Image.Image:
    """Return the picture turned as its EXIF says, in sRGB, in mode L, RGB or RGBA."""
    profile = image.info.get("icc_profile")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16 bits of grey: Pillow's own conversion would cut off instead of scaling
        image = image.point(lambda value: value / 257).convert("L")
        image.info.pop("transparency", None)  # a 16-bit value means nothing any more
    if image.mode in {"P", "PA", "LA", "1"} or "transparency" in image.info:
        image = image.convert("L" if image.mode == "1" else "RGBA" if image.has_transparency_data else "RGB")
    if isinstance(profile, bytes) and len(profile) <= ICC_MOST and image.mode in {"RGB", "CMYK", "RGBA"}:
        image = in_srgb(image, profile)
    return image if image.mode in {"L", "RGB", "RGBA"} else image.convert("RGB")


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert from an embedded profile; a malformed one is ignored, as browsers do."""
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=target)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if made is None else made


def encoded(image: Image.Image, family: str, quality: int = 92) -> bytes:
    """Return the picture as PNG, JPEG or WEBP, without any metadata."""
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    file = io.BytesIO()
    if family == "PNG":
        bare.save(file, "PNG", compress_level=1)
    elif family == "JPEG":
        bare.convert("L" if bare.mode == "L" else "RGB").save(file, "JPEG", quality=quality, optimize=False)
    else:
        bare.convert("RGBA" if bare.mode == "RGBA" else "RGB").save(file, "WEBP", quality=quality, method=2)
    return file.getvalue()


def smaller(image: Image.Image, side: int) -> Image.Image:
    """Return the picture with its longest side at most `side`."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def mean_colour(image: Image.Image) -> str:
    """Return the mean colour as #rrggbb, transparent parts on white."""
    base = image.convert("RGBA")
    ground = Image.new("RGBA", base.size, "white")
    ground.alpha_composite(base)
    red, green, blue, _ = ground.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    return f"#{red:02x}{green:02x}{blue:02x}"


def work(task: dict[str, object], data: bytes) -> tuple[dict[str, object], dict[str, bytes]]:
    """Do the task and return the words and files of the answer."""
    image = opened(data, task)
    family = "JPEG" if image.format == "MPO" else str(image.format)
    if task["task"] == "measure":
        return {"width": image.width, "height": image.height}, {}
    image = upright(image)
    words: dict[str, object] = {"width": image.width, "height": image.height}
    if task["task"] == "clean":
        return words | {"placeholder": mean_colour(smaller(image, 64))}, {"clean": encoded(image, family)}
    if task["task"] == "shrink":
        return words, {"shrunk": encoded(smaller(image, int(str(task["side"]))), "WEBP", 70)}
    preview = smaller(image, PREVIEW_SIDE)
    thumb = smaller(preview, THUMB_SIDE)
    files = {"preview": encoded(preview, "WEBP", 82), "thumb": encoded(thumb, "WEBP", 78)}
    return words | {"placeholder": mean_colour(thumb)}, files


def main() -> None:
    """Read the task, do it, answer."""
    confine()
    line = sys.stdin.buffer.readline()
    task = json.loads(line)
    data = sys.stdin.buffer.read()
    files: dict[str, bytes] = {}
    try:
        words, files = work(task, data)
    except Answer as answer:
        words = answer.words
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        words = {"error": "exhausted"}
    except Exception as error:  # noqa: BLE001 (a hostile file may raise anything; the parent is told which)
        words = {"error": "undecodable", "reason": f"{type(error).__name__}: {error}"[:300]}
    words["files"] = {name: len(body) for name, body in files.items()}
    sys.stdout.buffer.write(json.dumps(words).encode() + b"\n" + b"".join(files.values()))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
