"""Memory that a worker keeps: blocks of megabytes come from the process, not from the system, when asked for again."""

import subprocess
import sys

ROUNDS, BLOCKS, BLOCK = 30, 6, 2 * 1024 * 1024
# Sizes that grow a little: what the C library learned from the last block is wrong for the next one.
PICTURES = f"""
import resource
from gesso.core import memory
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
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout)


def test_blocks_of_megabytes_are_kept_for_the_next_picture():
    kept, plain = blocks_from_the_system(keeping=True), blocks_from_the_system(keeping=False)
    if sys.platform == "linux":  # elsewhere the allocator does as it likes, and `keep` does no harm
        assert kept <= BLOCKS
        assert plain > ROUNDS
