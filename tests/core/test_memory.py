"""Memory that a worker keeps: blocks of megabytes come from the process, not from the system, when asked for again."""

import os
import subprocess
import sys

ROUNDS, BLOCKS, BLOCK = 30, 6, 2 * 1024 * 1024
# Sizes that grow a little: what the C library learned from the last block is wrong for the next one.
PICTURES = f"""
import ctypes, resource, sys
from gesso.core import memory
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a huge page would be one fault for a whole block
if {{keeping}}:
    memory.keep()
def work():
    for number in range({ROUNDS}):
        held = [bytearray({BLOCK} + number * 8192) for _ in range({BLOCKS})]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() // {BLOCK})
"""


def blocks_from_the_system(*, keeping: bool) -> int:
    """Return how many blocks' worth of pages came from the system, of ROUNDS * BLOCKS that were asked for."""
    script = PICTURES.format(keeping=keeping)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", script], env=plain, capture_output=True, check=True, text=True)
    return int(done.stdout)


def test_blocks_of_megabytes_are_kept_for_the_next_picture():
    kept, plain = blocks_from_the_system(keeping=True), blocks_from_the_system(keeping=False)
    if sys.platform == "linux":  # elsewhere the allocator does as it likes, and `keep` does no harm
        assert kept <= BLOCKS
        assert plain > ROUNDS
