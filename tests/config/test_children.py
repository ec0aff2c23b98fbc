"""Children never outlive their parent, by the kernel's help or by a guard's."""

import signal
import subprocess
import sys

import pytest

from tests.instance import alive, until

PARENT = """
import signal, sys, time
from gesso.config import children
if sys.argv[1] == "guard":
    children._LIBC = None  # as on a system that tells nobody of a parent's death
first = children.spawn(["sleep", "60"], dying_wish=signal.SIGTERM)
first.kill()
first.wait()
second = children.spawn(["sleep", "60"], dying_wish=signal.SIGTERM)
print(second.pid, *(guard.pid for guard in children._guards.values()), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("way", ["kernel", "guard"])
def test_a_child_goes_when_its_parent_is_killed(way):
    with subprocess.Popen([sys.executable, "-c", PARENT, way], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == (2 if way == "guard" else 1)  # one guard: the first child's has gone with it
        assert all(alive(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in pids), 5, "the child to go")
