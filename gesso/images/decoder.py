"""The template with Pillow loaded, which forks, and its children, of which each decodes one picture and ends.

Run as a script, never imported by Gesso. The template never reads a byte of a picture. A child gets one line of JSON
about the task and then the bytes on its input, and answers with one line of JSON and then the files it made. Before it
reads a byte it gives up privileges, network, memory, time and every other file; an error is a word in the answer, a
crash is the parent's to notice.
"""

import contextlib
import ctypes
import gc
import io
import json
import os
import resource
import select
import signal
import socket
import sys
import zlib
from typing import NoReturn

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
FILES_MOST = 4096  # more than the template ever has open: a few, and one for each child
PREVIEW_SIDE, THUMB_SIDE = 1280, 480
PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"})
ICC_MOST = 1_000_000  # bytes; a larger profile is ignored

# All code is read before privileges go (EXIF is read by the TIFF module). No other format is ever loaded: Pillow is
# told that it has loaded all it knows.
_loaded = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)
Image._initialized = 2  # noqa: SLF001 (there is no public way)
TEMPLATE = os.getpid()


class Answer(Exception):
    """Ends the task with these words."""

    def __init__(self, **words: object) -> None:
        super().__init__()
        self.words = words


def confine(*, idle: bool) -> None:
    """Give up what decoding does not need; what the system does not allow us to give up stays."""
    if idle and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif idle:
        os.nice(19)
    system = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        # CLONE_NEWNET, with CLONE_NEWUSER when not root: no network from here on. A kernel that refuses, refuses.
        system.unshare(0x40000000 if os.geteuid() == 0 else 0x50000000)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if sys.platform == "linux":
        system.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no child outlives the template. A change of user clears it
        if os.getppid() != TEMPLATE:  # it died before we could ask
            raise SystemExit("the template is gone")
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


def answer() -> None:
    """Read the task, do it, answer."""
    with open(0, "rb", closefd=False) as given:
        task = json.loads(given.readline())
        data = given.read()
    files: dict[str, bytes] = {}
    try:
        words, files = work(task, data)
    except Answer as early:
        words = early.words
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        words = {"error": "exhausted"}
    except Exception as error:  # noqa: BLE001 (a hostile file may raise anything; the parent is told which)
        words = {"error": "undecodable", "reason": f"{type(error).__name__}: {error}"[:300]}
    words["files"] = {name: len(body) for name, body in files.items()}
    with open(1, "wb", closefd=False) as said:
        said.write(json.dumps(words).encode() + b"\n" + b"".join(files.values()))


def child(files: list[int], *, idle: bool) -> NoReturn:
    """Be the child: keep these three files and no other, do one task, end."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.closerange(3, FILES_MOST)
        confine(idle=idle)
        answer()
        status = 0
    except BaseException:  # noqa: BLE001 (whatever it is, this process must not go on as a template)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def serve() -> None:
    """Fork a child for each task that comes, say that it has begun and how it ended; kill it when nobody listens.

    Each task comes with a line of its own, so that the end of whoever asked ends the children and then the template.
    """
    tasks: list[socket.socket] = [socket.socket(fileno=0)]
    lines: dict[socket.socket, int] = {}  # to the pid of the child that works for whoever holds the other end
    crashed = False
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a child's end wakes us, by the line above
    while tasks or lines:
        ready = select.select([woken, *tasks, *lines], [], [])[0]
        for line in lines.keys() & ready:
            os.kill(lines.pop(line), signal.SIGKILL)
            line.close()
        if woken in ready:
            woken.recv(1024)
            crashed |= reap(lines)
        if crashed and not lines:
            # All children have the template's memory layout. Whoever crashed one may have tried to guess it: change it.
            os.execv(sys.orig_argv[0], sys.orig_argv)  # noqa: S606 (our own interpreter and script)
        if tasks and tasks[0] in ready and not begin(tasks[0], lines):
            tasks.clear()


def reap(lines: dict[socket.socket, int]) -> bool:
    """Say on their lines how the children ended that did. Return whether one was ended by a signal."""
    crashed = False
    with contextlib.suppress(ChildProcessError):  # the last one
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            status = os.waitstatus_to_exitcode(found[1])
            crashed |= status < 0
            for line in [line for line, pid in lines.items() if pid == found[0]]:
                del lines[line]
                with line, contextlib.suppress(OSError):  # nobody listens any more
                    line.send(status.to_bytes(4, "big", signed=True))
    return crashed


def begin(tasks: socket.socket, lines: dict[socket.socket, int]) -> bool:
    """Receive a task and fork a child for it. Return False when no more can come."""
    word, files, _, _ = socket.recv_fds(tasks, 1, 4)
    if not word:
        return False
    pid = os.fork()
    if pid == 0:
        child(files[:3], idle=word == b"i")
    line = socket.socket(fileno=files.pop())
    lines[line] = pid
    for file in files:
        os.close(file)
    with contextlib.suppress(OSError):  # nobody listens any more: the next look at the line ends the child
        line.send(b"b")
    return True


if __name__ == "__main__":
    gc.freeze()  # what is loaded stays shared with the children
    serve()
