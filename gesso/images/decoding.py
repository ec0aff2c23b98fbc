"""The parent's side of decoding: one limited child process for one picture, killed when it takes too long.

At most as many children as cores run at once, and as many again that nobody waits for. They are forked by a template
that is started when the first picture comes and ends with us. A child's crash is an ordinary answer here: `Undecodable`
or `Exhausted`; the template's is not the picture's fault. What both do is in `decoder`; who may hand in bytes is
`intake`'s and `renditions`' matter.
"""

import atexit
import dataclasses
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import BinaryIO, cast

import orjson
import PIL

WALL_SECONDS = (15, 600)  # somebody waits; nobody does (the limit on CPU time is the same)
START_SECONDS = 15  # for the template to start, where need be, and to fork a child
_turns = tuple(threading.BoundedSemaphore(os.cpu_count() or 1) for _ in WALL_SECONDS)
_child = pathlib.Path(__file__).with_name("decoder.py")


class Undecodable(Exception):
    """Not a picture that can be opened whole; the message is for staff."""


class Exhausted(Exception):
    """Opening it took more time or memory than a picture may."""


class Unavailable(Exception):
    """No decoder could be had, or none lived long enough: this says nothing about the picture."""


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
    and stands in nobody's way. Raises Undecodable, Exhausted, Animated, TooLarge; Unavailable.
    """
    words = {"task": task, "side": side, **dataclasses.asdict(limits)}
    with _turns[later]:
        template = _template()
        try:
            return _decoded(template, words, data, later=later)
        except Unavailable:  # somebody has killed the template: another one, once
            return _decoded(_template(instead_of=template), words, data, later=later)


def _decoded(template: "_Template", words: dict[str, object], data: bytes, *, later: bool) -> Decoded:
    # Files in memory instead of pipes: the child's limit on file sizes bounds its answer too.
    with _file() as given, _file() as answer, _file() as complaint:
        given.write(orjson.dumps(words) + b"\n")
        given.write(data)
        given.seek(0)
        status = template.run((given, answer, complaint), later=later)
        if status is None:
            raise Exhausted(f"{words['task']} took more than {WALL_SECONDS[later]} s")
        if status < 0:
            raise Exhausted(f"the decoder was ended by signal {-status}")
        if status:
            raise Undecodable(f"the decoder failed: {_end_of(complaint)}")
        answer.seek(0)
        return _answer(answer)


class _Template:
    """A process with Pillow loaded that forks a child for each task. It ends when `_tasks` does, so at last with us."""

    def __init__(self) -> None:
        self._complaint = _file()
        self._tasks, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and script)
                _command(), stdin=its.fileno(), stdout=subprocess.DEVNULL, stderr=self._complaint, env={}, cwd="/",
                process_group=0,
            )  # fmt: skip

    def run(self, files: Sequence[BinaryIO], *, later: bool) -> int | None:
        """Return how a child with these files ended (as subprocess says it), or None: it was killed, out of time."""
        line, its = socket.socketpair()
        with line:
            try:
                with its:  # open until the template has it: macOS loses a socket that is closed on its way
                    numbers = [*(file.fileno() for file in files), its.fileno()]
                    socket.send_fds(self._tasks, [b"i" if later else b"n"], numbers)
                    self._await_begin(line)
                line.settimeout(WALL_SECONDS[later])
                status = line.recv(4)
            except TimeoutError:
                return None  # the end of the line ends the child
            except (OSError, ValueError) as gone:  # ValueError: another thread has closed it
                raise Unavailable(f"the decoder is gone: {gone}") from gone
        if not status:
            raise Unavailable("the decoder was ended")
        return int.from_bytes(status, "big", signed=True)

    def _await_begin(self, line: socket.socket) -> None:
        either = select.poll()
        either.register(line, select.POLLIN)
        either.register(self._tasks, select.POLLIN)  # nothing comes here but its end
        heard = either.poll(START_SECONDS * 1000)
        if not any(number == line.fileno() for number, _ in heard):
            raise Unavailable(f"the decoder does not begin: {_end_of(self._complaint)}")
        line.recv(1)

    def end(self) -> None:
        """End it and all its children."""
        self._process.kill()
        self._process.wait()
        self._close()

    def leave(self) -> None:
        """Let it be: this process is a fork of the one that started it."""
        self._process.returncode = 0  # not ours to wait for
        self._close()

    def _close(self) -> None:
        self._tasks.close()
        self._complaint.close()


_templates: list[_Template] = []  # one at most
_lock = threading.Lock()


def _template(instead_of: _Template | None = None) -> _Template:
    """Return this process's template, started at first use, and anew instead of one that is gone."""
    with _lock:
        if instead_of in _templates:
            _templates.pop().end()
        if not _templates:
            _templates.append(_Template())
        return _templates[0]


def _end() -> None:
    while _templates:
        _templates.pop().end()


def _leave() -> None:
    while _templates:
        _templates.pop().leave()
    _lock.release()


atexit.register(_end)
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_leave)


def _file() -> BinaryIO:
    in_memory = getattr(os, "memfd_create", None)  # Linux only
    return cast("BinaryIO", os.fdopen(in_memory("picture"), "w+b") if in_memory else tempfile.TemporaryFile())


def _end_of(complaint: BinaryIO) -> str:
    complaint.seek(0)
    return complaint.read(10_000)[-300:].decode(errors="replace")


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


def _command() -> tuple[str, ...]:
    """Isolated (-I), without site (-S): a small, quick interpreter that is told where Pillow is and nothing else."""
    return sys.executable, "-I", "-S", str(_child), str(pathlib.Path(PIL.__file__).parent.parent)


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
