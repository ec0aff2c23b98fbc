"""A few places for many tasks of one event loop: who is furthest on goes first, and of equals who came first.

Work that comes all at once is so finished piece by piece. First come, first served at each step would bring everything
through the first step before anything through the last: all would be late, and all in memory at the same time.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator


class Places:
    """`count` places. Belongs to one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def taken(self, progress: int) -> AsyncIterator[None]:
        """Hold a place for as long as the block lasts; of those who wait, a higher `progress` goes first."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(progress)
        try:
            yield
        finally:
            self._leave()

    async def _turn(self, progress: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-progress, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place was ours a moment ago: somebody else's now
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
