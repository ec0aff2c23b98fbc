"""The parent's side of decoding: one limited child process for one picture, killed when it takes too long.

At most as many children as cores run at once, and as many again that nobody waits for. A child's crash is an
ordinary answer here: `Undecodable` or `Exhausted`. What the child does is in `decoder`; who may hand in bytes is
`intake`'s and `renditions`' matter.
"""

import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
from typing import BinaryIO, cast

import orjson
import PIL

WALL_SECONDS = (15, 600)  # somebody waits; nobody does (the limit on CPU time is the same)
_turns = tuple(threading.BoundedSemaphore(os.cpu_count() or 1) for _ in WALL_SECONDS)
_child = pathlib.Path(__file__).with_name("decoder.py")


class Undecodable(Exception):
    """Not a picture that can be opened whole; the message is for staff."""


class Exhausted(Exception):
    """Opening it took more time or memory than a picture may."""


class Animated(Exception):
    """More than one frame."""


class TooLarge(Exception):
    """Its header promises a size outside the limits."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(f"{width} x {height}")
        self.width, self.height = width, height


@dataclasses.dataclass(frozen=True)
class Limits:
    """Shortest and longest side and all pixels that a picture may have."""

    side_min: int
    side_max: int
    pixels: int


@dataclasses.dataclass(frozen=True)
class Decoded:
    """What a child found and made: pixels, mean colour, files by name."""

    width: int
    height: int
    placeholder: str
    files: dict[str, bytes] = dataclasses.field(repr=False)


def decode(data: bytes, task: str, limits: Limits, *, side: int = 0, later: bool = False) -> Decoded:
    """Let a child do `task` (measure, clean, renditions, shrink to `side`) on `data`.

    `later`: nobody waits for it, so it takes only what nobody else wants of the processor, may take long by the clock,
    and stands in nobody's way. Raises Undecodable, Exhausted, Animated, TooLarge.
    """
    words = {"task": task, "side": side, **dataclasses.asdict(limits)}
    # Files in memory instead of pipes: the child's limit on file sizes bounds its answer too.
    with _turns[later], _file() as given, _file() as answer, _file() as complaint:
        given.write(orjson.dumps(words) + b"\n")
        given.write(data)
        given.seek(0)
        try:
            done = subprocess.run(  # noqa: S603 (our own interpreter and script)
                _command("idle" if later else "at once"), stdin=given, stdout=answer, stderr=complaint, env={},
                cwd="/", timeout=WALL_SECONDS[later], check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Exhausted(f"{task} took more than {WALL_SECONDS[later]} s") from None
        if done.returncode < 0:
            raise Exhausted(f"the decoder was ended by signal {-done.returncode}")
        if done.returncode:
            complaint.seek(0)
            raise Undecodable(f"the decoder failed: {complaint.read(10_000)[-300:].decode(errors='replace')}")
        answer.seek(0)
        return _answer(answer)


def _file() -> BinaryIO:
    in_memory = getattr(os, "memfd_create", None)  # Linux only
    return cast("BinaryIO", os.fdopen(in_memory("picture"), "w+b") if in_memory else tempfile.TemporaryFile())


def _answer(output: BinaryIO) -> Decoded:
    """Read what the child says. It has handled hostile bytes, so nothing is believed that is not well formed."""
    try:
        words = orjson.loads(output.readline(10_000))
        match words.get("error"):
            case "size":
                raise TooLarge(int(words["width"]), int(words["height"]))
            case "animated":
                raise Animated
            case "exhausted":
                raise Exhausted("the picture asked for too much memory")
            case "undecodable":
                raise Undecodable(str(words["reason"]))
        files = {str(name): output.read(int(length)) for name, length in words["files"].items()}
        colour = str(words.get("placeholder", "#888888"))
        if not re.fullmatch("#[0-9a-f]{6}", colour):
            raise ValueError(colour)
        return Decoded(int(words["width"]), int(words["height"]), colour, files)
    except (ValueError, KeyError, TypeError, AttributeError) as nonsense:
        raise Undecodable(f"the decoder's answer makes no sense: {nonsense!r}") from nonsense


@functools.cache
def _command(when: str) -> tuple[str, ...]:
    """Isolated (-I), without site (-S): a small, quick interpreter that is told where Pillow is and nothing else."""
    return sys.executable, "-I", "-S", str(_child), str(pathlib.Path(PIL.__file__).parent.parent), when


def isolation() -> str:
    """Return, for doctor, what a child gives up on this system."""
    if sys.platform != "linux":
        return "time and file limits; memory and network are not limited on this system"
    who = "user nobody" if os.geteuid() == 0 else "this user"
    flags = 0x40000000 if os.geteuid() == 0 else 0x50000000  # the decoder's own: CLONE_NEWNET, with CLONE_NEWUSER
    probe = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({flags}) != 0)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", probe], env={}, check=False)  # noqa: S603 (our own)
    network = "without network" if done.returncode == 0 else "with network (the system does not allow giving it up)"
    return f"1 GiB of memory, 10 s of CPU, 15 s in all, {who}, {network}"
