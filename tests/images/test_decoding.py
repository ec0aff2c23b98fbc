"""The child gives up what it must, and its death is an ordinary answer."""

import os
import socket
import threading

import pytest
from PIL import Image

from gesso.images import decoding, intake
from tests.images import decoder_spy, pictures
from tests.images.decoder_spy import LIMITS
from tests.instance import children, until


@pytest.fixture
def child(tmp_path, monkeypatch):
    yield decoder_spy.Spy(tmp_path, monkeypatch)
    decoding._end()


def test_a_child_that_takes_too_long_is_ended(child, monkeypatch):
    monkeypatch.setattr(decoding, "WALL_SECONDS", (0.5, 0.5))
    child.does("import time; time.sleep(60)")
    with pytest.raises(decoding.Exhausted, match="took more than"):
        decoding.decode(b"x", "measure", LIMITS)
    until(lambda: not children(decoder_spy.template()), 5, "the child to go")


def test_a_killed_child_is_an_answer_with_a_sentence(child):
    child.does("os.kill(os.getpid(), 11)")
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
    child.does(f"os.write(1, {answer.encode()!r}); os._exit(0)")
    with pytest.raises(decoding.Undecodable, match="makes no sense"):
        decoding.decode(b"x", "measure", LIMITS)


def test_a_child_that_fails_says_why(child):
    child.does("raise SystemExit('no such thing here')")
    with pytest.raises(decoding.Undecodable, match="no such thing here"):
        decoding.decode(b"x", "measure", LIMITS)


def test_privileges_and_environment_are_given_up(child):
    who, environment, directory = child.sees("(os.geteuid(), dict(os.environ), os.getcwd())")
    # 65534 is nobody: to root's child, and to anybody's in a user namespace of its own, where the system allows one.
    assert who in ({65534} if os.geteuid() == 0 else {65534, os.geteuid()})
    assert set(environment) <= {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"}  # which Python and macOS put there
    assert directory == "/"


def test_memory_time_and_files_are_limited(child):
    limits = child.sees(
        "{name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if 'LIMIT_' in name}"
    )
    assert limits["RLIMIT_AS"] == (1 << 30, 1 << 30)
    assert limits["RLIMIT_CPU"] == (10, 10)
    assert limits["RLIMIT_FSIZE"] == (256 << 20, 256 << 20)
    assert limits["RLIMIT_NOFILE"] == (16, 16)
    assert limits["RLIMIT_CORE"] == (0, 0)
    assert "1 GiB" in decoding.isolation()


def test_a_child_that_nobody_waits_for_takes_what_is_left_of_the_processor(child):
    assert child.sees("os.sched_getscheduler(0)") == os.SCHED_OTHER
    assert child.sees_again(later=True) == os.SCHED_IDLE
    assert child.sees_again() == os.SCHED_OTHER


def test_a_child_has_its_three_files_and_no_other(child):
    with socket.socket() as ours:
        ours.set_inheritable(True)
        saw = child.sees(
            "[os.readlink(f'/proc/self/fd/{number}') for number in sorted(os.listdir('/proc/self/fd'))[:3]]"
        )
        assert [name.split(" ")[0] for name in saw] == ["/memfd:picture"] * 3
        assert child.sees("os.listdir('/proc/self/fd')") == ["0", "1", "2", "3"]  # the fourth is the listing


def test_a_template_has_its_line_and_no_file_of_ours():
    with socket.socket() as ours:
        ours.set_inheritable(True)
        decoding._end()
        decoding.decode(pictures.plain_png(20, 20), "measure", LIMITS)
        own = ["/dev/null", "/memfd:picture (deleted)", "socket", "socket", "socket"]  # two sockets wake it up
        until(lambda: sorted(name.split(":[")[0] for name in decoder_spy.files(decoder_spy.template())) == own, 5)


def test_a_child_has_no_network(child):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused = child.sees(f"socket.socket().connect_ex(('127.0.0.1', {port}))")
    assert bool(refused) == ("without network" in decoding.isolation())


def test_a_bomb_of_memory_is_told(child):
    child.does("bytearray(1 << 30)")
    with pytest.raises(decoding.Exhausted, match="too much memory"):
        decoding.decode(b"x", "measure", LIMITS)


def test_a_bomb_of_time_is_ended_by_the_kernel(child):
    child.does("while True: pass", ("CPU_SECONDS = 10", "CPU_SECONDS = 1"))
    with pytest.raises(decoding.Exhausted, match="ended by signal"):
        decoding.decode(b"x", "measure", LIMITS)


def test_time_that_the_template_has_used_is_not_the_childs(child):
    used = "CPU_SECONDS = 1\nimport time\nwhile time.process_time() < 1.2: pass\n"
    assert child.sees("time.process_time()", ("CPU_SECONDS = 10\n", used)) < 1


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
