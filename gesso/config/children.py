"""Child processes that never outlive us: a parent that is killed takes them along, whoever does the killing.

Linux tells a child of its parent's death (`PR_SET_PDEATHSIG`). Elsewhere a small guard process waits for the end of a
pipe that only we hold open. Either way nothing of ours is left running after a SIGKILL of the parent.
"""

import ctypes
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(
    arguments: Sequence[str],
    *,
    dying_wish: signal.Signals,
    user: str | None = None,
    directory: pathlib.Path | None = None,
    inherit: Sequence[int] = (),
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, so that Ctrl-C reaches the parent alone.

    `dying_wish` is the signal the child gets when this process dies; `inherit` are file descriptors it keeps. Call it
    from the main thread: Linux takes the death of the calling thread for the death of the parent.
    """
    child = subprocess.Popen(  # noqa: S603 (the arguments are our own)
        list(arguments),
        stdin=subprocess.DEVNULL,
        cwd=directory,
        stdout=stdout,
        stderr=stderr,
        pass_fds=inherit,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        process_group=0,
        # Runs after the change of user, which would clear the wish. The parent has no other threads at this point.
        preexec_fn=_wish(dying_wish, os.getpid()) if _LIBC else None,  # noqa: PLW1509 (no threads)
    )
    if not _LIBC:
        _guard(child.pid, dying_wish)
    return child


def _wish(number: signal.Signals, parent: int) -> Callable[[], None]:
    def ask_the_kernel() -> None:
        assert _LIBC
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask_the_kernel


_pipe: list[int] = []  # the second end is held by this process alone, and closed by its death
_guards: dict[int, subprocess.Popen[bytes]] = {}  # by the pid they guard
_GUARD = (
    'read -r _; [ "$(ps -o ppid= -p "$1" | tr -d " ")" = 1 ] && kill -s "$2" "$1"'  # 1: whoever lost a parent has it
)


def _guard(pid: int, number: signal.Signals) -> None:
    """Start a process that signals `pid` once this process is gone; end the guards of children that have ended."""
    if not _pipe:
        _pipe.extend(os.pipe())
    for guarded in [guarded for guarded in _guards if not _exists(guarded)]:
        guard = _guards.pop(guarded)
        guard.kill()
        guard.wait()
    _guards[pid] = subprocess.Popen(  # noqa: S603 (the arguments are our own)
        ["/bin/sh", "-c", _GUARD, "gesso-guard", str(pid), number.name.removeprefix("SIG")],
        stdin=_pipe[0],
        process_group=0,
    )


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it changed its user
        return True
    return True
