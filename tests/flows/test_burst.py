"""Many answers at the same moment: what was begun is brought to its end before the next is begun."""

import asyncio
from typing import Any

import pytest

from gesso.generations import pursuit, runner, spool
from gesso.generations.models import Generation
from gesso.providers import protocol
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 20


def test_the_first_have_ended_before_the_last_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    generations = [world.submit(world.person(credits=10)) for _ in range(MANY)]
    happened: list[str] = []
    write, deliver = spool.write, pursuit._deliver

    def writing(key: str, raw: protocol.Raw) -> None:
        happened.append("looked at")
        write(key, raw)

    def delivering(*words: Any) -> bool:
        ended = deliver(*words)
        happened.append("ended")
        return ended

    monkeypatch.setattr(spool, "write", writing)
    monkeypatch.setattr(pursuit, "_deliver", delivering)

    async def run() -> None:
        all_asked = asyncio.Event()

        async def together(request: protocol.Request, _preview: object) -> bytes:
            if len(provider.journal) == MANY:
                all_asked.set()
            await all_asked.wait()
            return world.picture(request.width, request.height)

        provider = world.ScriptedProvider(*[together] * MANY)
        made = runner.Runner({"sandbox": provider}, world.Moderator())  # type: ignore[dict-item, arg-type]  # scripted ones
        try:
            await asyncio.gather(*(made.advance(generation.id) for generation in generations))
        finally:
            await made.close()

    asyncio.run(run())
    numbers = [generation.id for generation in generations]
    assert Generation.objects.filter(id__in=numbers, state="succeeded").count() == MANY
    assert happened.count("ended") == MANY
    assert happened.index("ended") <= 2 * pursuit.PLACES
