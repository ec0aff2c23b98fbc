"""Places: never more than there are, the furthest first, and none lost to whoever gives up."""

import asyncio

import pytest

from gesso.core.places import Places


async def wait_for(places: Places, progress: int, name: str, taken: list[str], hold: asyncio.Event) -> None:
    async with places.taken(progress):
        taken.append(name)
        await hold.wait()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_furthest_goes_first_and_of_equals_who_came_first() -> None:
    async def run() -> list[str]:
        places, taken, hold = Places(1), [], asyncio.Event()
        asked = [(0, "first of all"), (1, "early"), (3, "far"), (2, "middle"), (3, "far, later"), (1, "late")]
        async with asyncio.TaskGroup() as group:
            for progress, name in asked:
                group.create_task(wait_for(places, progress, name, taken, hold))
                await settled()
            hold.set()
        return taken

    assert asyncio.run(run()) == ["first of all", "far", "far, later", "middle", "early", "late"]


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_than_there_are_are_taken_at_once(count: int) -> None:
    async def run() -> int:
        places, inside, most = Places(count), 0, 0

        async def one(number: int) -> None:
            nonlocal inside, most
            async with places.taken(number % 3):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(one(number) for number in range(50)))
        return most

    assert asyncio.run(run()) == count


def test_who_gives_up_loses_no_place_for_others() -> None:
    async def run() -> list[str]:
        places, taken, hold = Places(1), [], asyncio.Event()
        first = asyncio.create_task(wait_for(places, 0, "first", taken, hold))
        await settled()
        waiting = asyncio.create_task(wait_for(places, 9, "gave up waiting", taken, hold))
        given = asyncio.create_task(wait_for(places, 8, "gave up when its turn had come", taken, hold))
        last = asyncio.create_task(wait_for(places, 0, "last", taken, hold))
        await settled()
        waiting.cancel()
        await settled()
        hold.set()
        await first  # its place goes to `given` at this moment, which is told before it runs
        given.cancel()
        await asyncio.gather(waiting, given, return_exceptions=True)
        await asyncio.wait_for(last, 5)
        async with places.taken(0):
            return taken

    taken = asyncio.run(run())
    assert "gave up waiting" not in taken
    assert taken[0] == "first"
    assert taken[-1] == "last"


def test_a_place_comes_back_when_the_work_fails() -> None:
    async def run() -> None:
        places = Places(1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with places.taken(0):
                    raise ZeroDivisionError
        await asyncio.wait_for(places.taken(0).__aenter__(), 5)

    asyncio.run(run())
