"""One template for each process of ours, one child for each picture: who ends whom, and that nothing is left."""

import gc
import os
import signal
import subprocess
import sys
import threading

import pytest

from gesso.images import decoding
from tests.images import decoder_spy, pictures
from tests.images.decoder_spy import LIMITS
from tests.instance import alive, children, until

PICTURE = pictures.plain_png(20, 20)


@pytest.fixture
def child(tmp_path, monkeypatch):
    yield decoder_spy.Spy(tmp_path, monkeypatch)
    decoding._end()


class Decoding(threading.Thread):
    """Has a picture decoded beside the test; `ended` is the answer or the error."""

    def run(self) -> None:
        try:
            self.ended = decoding.decode(PICTURE, "measure", LIMITS)
        except (decoding.Exhausted, decoding.Unavailable) as error:
            self.ended = error

    def begin(self) -> int:
        """Start, and return the pid of the child."""
        before = set(children(decoder_spy.template()))
        self.start()
        return until(lambda: set(children(decoder_spy.template())) - before).pop()

    def end(self) -> object:
        self.join(20)
        return self.ended


def test_each_child_is_fresh(child):
    count = "[json.__dict__.setdefault('seen', []).append(1), len(json.seen)][1]"
    assert [child.sees(count), child.sees_again(), child.sees_again()] == [1, 1, 1]
    assert len({child.sees("os.getpid()"), child.sees_again(), child.sees_again()}) == 3


def test_a_crash_renews_the_template_and_an_ordinary_end_does_not(child):
    """Who crashed a child may have tried to guess where things lie in memory; the hash of a word stands for that."""
    there = child.sees("os.kill(os.getpid(), 11) if data.startswith(b'\\x89PNG') else hash('word')")
    assert child.sees_again() == there
    pid = decoder_spy.template()
    with pytest.raises(decoding.Exhausted):
        decoding.decode(PICTURE, "measure", LIMITS)
    assert child.sees_again() != there
    assert decoder_spy.template() == pid


def test_two_at_once_are_two_children(child):
    child.does("import time; time.sleep(2)")
    first, second = Decoding(), Decoding()
    assert first.begin() != second.begin()
    assert (first.end().width, second.end().width) == (20, 20)


def test_a_child_that_is_killed_is_exhausted_and_the_other_goes_on(child):
    child.does("import time; time.sleep(3)")
    first, second = Decoding(), Decoding()
    pid = first.begin()
    second.begin()
    os.kill(pid, signal.SIGKILL)
    assert "ended by signal 9" in str(first.end())
    assert isinstance(first.ended, decoding.Exhausted)
    assert second.end().width == 20


def test_a_template_that_is_killed_while_idle_is_replaced():
    decoding.decode(PICTURE, "measure", LIMITS)
    old = decoder_spy.template()
    os.kill(old, signal.SIGKILL)
    assert decoding.decode(PICTURE, "measure", LIMITS).width == 20
    assert decoder_spy.template() != old
    assert old not in children(os.getpid())  # not even a zombie


def test_a_template_that_is_killed_at_work_takes_its_children_along_and_the_picture_is_tried_again(child):
    child.does("import time; time.sleep(3)")
    beside = Decoding()
    pid, old = beside.begin(), decoder_spy.template()
    os.kill(old, signal.SIGKILL)
    until(lambda: not alive(pid), 5, "the child to go with its template")
    assert beside.end().width == 20
    assert decoder_spy.template() != old


def test_a_template_that_never_lives_is_no_fault_of_the_picture(child):
    child.does("pass", ("    serve()\n", "    raise SystemExit('no Pillow here')\n"))
    with pytest.raises(decoding.Unavailable, match="does not begin: no Pillow here"):
        decoding.decode(PICTURE, "measure", LIMITS)


def test_a_template_that_hangs_is_replaced(child, monkeypatch):
    monkeypatch.setattr(decoding, "START_SECONDS", 6)
    decoding._end()
    child.does("pass")
    old = decoder_spy.template()
    os.kill(old, signal.SIGSTOP)
    assert decoding.decode(PICTURE, "measure", LIMITS).width == 20
    assert decoder_spy.template() != old
    assert not alive(old)


def test_two_hundred_pictures_leave_nothing_behind():
    gc.collect()  # what earlier tests left open would be closed in between
    decoding.decode(PICTURE, "measure", LIMITS)
    template, ours = decoder_spy.template(), len(decoder_spy.files(os.getpid()))
    for _ in range(200):
        decoding.decode(PICTURE, "measure", LIMITS)
    assert decoder_spy.template() == template
    assert children(template) == []
    assert len(decoder_spy.files(os.getpid())) == ours
    until(lambda: len(decoder_spy.files(template)) == 5, 5, "the last line to be closed")


PARENT = """
import os, pathlib, sys, threading, time
from gesso.images import decoding
from tests.images import decoder_spy, pictures
from tests.instance import children

def decode():
    return decoding.decode(pictures.plain_png(20, 20), "measure", decoder_spy.LIMITS).width

if sys.argv[1] == "kill":
    decoding._child = pathlib.Path(sys.argv[2])
    threading.Thread(target=decode, daemon=True).start()
    while not (found := children(decoder_spy.template())):
        time.sleep(0.01)
    print(decoder_spy.template(), *found, flush=True)
    time.sleep(60)
decode()
first = decoder_spy.template()
if sys.argv[1] == "fork" and not os.fork():
    width, second = decode(), decoder_spy.template()
    print(width, first, second, flush=True)
    decoding._end()
    os._exit(0)
if sys.argv[1] == "fork":
    os.wait()
    assert decode() == 20
print(first, decoder_spy.template(), flush=True)
"""


def parent(*words: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-W", "error", "-c", PARENT, *words], stdout=subprocess.PIPE, text=True)


def test_nothing_outlives_a_parent_that_is_killed(child):
    child.does("import time; time.sleep(60)")
    with parent("kill", str(decoding._child)) as killed:
        pids = [int(word) for word in killed.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        killed.kill()
    until(lambda: not any(alive(pid) for pid in pids), 5, "template and child to go")


def test_nothing_outlives_a_parent_that_ends():
    with parent("end") as ended:
        first, same = map(int, ended.stdout.readline().split())
        assert first == same
        assert ended.wait(20) == 0
    assert not alive(first)


def test_a_fork_of_ours_has_a_template_of_its_own():
    with parent("fork") as forked:
        width, first, second = map(int, forked.stdout.readline().split())
        assert width == 20
        assert first != second
        assert forked.stdout.readline().split() == [str(first)] * 2
        assert forked.wait(20) == 0
    assert not alive(first)
    assert not alive(second)
