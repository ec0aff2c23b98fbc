"""The child gives up what it must, and its death is an ordinary answer."""

import os
import sys
import threading

import pytest
from PIL import Image

from gesso.images import decoding, intake
from tests.images import pictures

LIMITS = decoding.Limits(1, 8192, 25_000_000)


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Put another script in the decoder's place."""

    def put(script: str) -> None:
        path = tmp_path / "child.py"
        path.write_text(script)
        monkeypatch.setattr(decoding, "_command", lambda niceness: (sys.executable, "-I", "-S", str(path)))

    return put


def test_a_child_that_takes_too_long_is_ended(child, monkeypatch):
    monkeypatch.setattr(decoding, "WALL_SECONDS", (0.5, 0.5))
    child("import time; time.sleep(60)")
    with pytest.raises(decoding.Exhausted, match="took more than"):
        decoding.decode(b"x", "measure", LIMITS)


def test_a_killed_child_is_an_answer_with_a_sentence(child):
    child("import os; os.kill(os.getpid(), 11)")
    with pytest.raises(intake.Refused, match="too long or too much memory"):
        intake.clean(pictures.plain_png(20, 20))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "not json\n",
        "[]\n",
        "{}\n",
        '{"width": "x", "height": 1, "files": {}}\n',
        '{"width": 1, "height": 1, "files": {}, "placeholder": "red;}"}\n',
    ],
)
def test_a_child_that_talks_nonsense_is_not_believed(child, answer):
    child(f"print({answer!r}, end='')")
    with pytest.raises(decoding.Undecodable):
        decoding.decode(b"x", "measure", LIMITS)


def test_a_child_that_fails_says_why(child):
    child("raise SystemExit('no Pillow here')")
    with pytest.raises(decoding.Undecodable, match="no Pillow here"):
        decoding.decode(b"x", "measure", LIMITS)


def test_limits_privileges_and_environment_are_given_up(tmp_path, monkeypatch):
    source = decoding._child.read_text()
    spy = tmp_path / "spy.py"
    spy.write_text(
        source.replace(
            "    line = sys.stdin.buffer.readline()",
            "    raise SystemExit(repr((os.geteuid(), dict(os.environ), resource.getrlimit(resource.RLIMIT_AS)[1], "
            "resource.getrlimit(resource.RLIMIT_CPU)[1], os.nice(0))))",
        )
    )
    real = decoding._command("idle")
    monkeypatch.setattr(decoding, "_command", lambda niceness: (*real[:3], str(spy), *real[4:]))
    with pytest.raises(decoding.Undecodable) as said:
        decoding.decode(b"x", "renditions", LIMITS)
    # 65534 is nobody: to root's child, and to anybody's in a user namespace of its own, where the system allows one.
    whose = {65534} if os.geteuid() == 0 else {65534, os.geteuid()}
    assert any(f"({who}, {{" in str(said.value) for who in whose)
    assert "GESSO" not in str(said.value)
    assert f", {1 << 30}, 10, " in str(said.value)
    assert "1 GiB" in decoding.isolation()


def test_no_more_children_than_cores_and_all_are_answered():
    data = pictures.encoded(Image.new("RGB", (3000, 3000), "#446688"), "WEBP")
    made: list[decoding.Decoded] = []
    threads = [threading.Thread(target=lambda: made.append(decoding.decode(data, "measure", LIMITS))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8


def test_size_is_checked_by_the_child_too():
    with pytest.raises(decoding.TooLarge):
        decoding.decode(pictures.png(6000, 6000, b""), "measure", LIMITS)
