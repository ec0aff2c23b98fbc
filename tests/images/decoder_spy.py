"""The decoder with a line of a test's own in its child, where it would begin to work on the picture."""

import ast
import contextlib
import pathlib

import pytest

from gesso.images import decoding

LIMITS = decoding.Limits(1, 8192, 25_000_000)
PLACE = "        words, files = work(task, data)\n"


class Spy:
    """Puts lines into the child; every change has a template of its own, and the last one goes with the test."""

    def __init__(self, directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = directory / "decoder.py"
        self._source = decoding._child.read_text()
        monkeypatch.setattr(decoding, "_child", self._path)

    def does(self, statement: str, *changes: tuple[str, str]) -> None:
        """Let the child do this first. `changes` are made to the text of the script."""
        source = self._source
        for old, new in ((PLACE, f"        {statement}\n{PLACE}"), *changes):
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        self._path.write_text(source)
        decoding._end()

    def sees(self, expression: str, *changes: tuple[str, str]) -> object:
        """Return what the child sees: the value of this expression, the first time."""
        self.does(f"raise Answer(error='undecodable', reason=repr({expression}))", *changes)
        return self.sees_again()

    def sees_again(self, *, later: bool = False) -> object:
        """Return what the next child sees."""
        with pytest.raises(decoding.Undecodable) as said:
            decoding.decode(b"x", "measure", LIMITS, later=later)
        return ast.literal_eval(str(said.value))


def template() -> int:
    """Return the pid of this process's template."""
    return decoding._template()._process.pid


def files(pid: int) -> list[str]:
    """Return what a process has open, as the kernel names it."""
    found = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile, such as this listing
            found.append(str(entry.readlink()))
    return found
