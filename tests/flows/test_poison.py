"""One picture that nobody can handle, and one generation that nobody can advance, stop nobody else."""

import asyncio

import pytest

from gesso.generations import rendering
from gesso.generations.models import Generation
from gesso.images import renditions
from gesso.images.models import Image
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_picture_that_breaks_the_renderer_leaves_the_others_their_renditions(monkeypatch):
    who = world.person(credits=20)
    world.drive(world.submit(who, count=4), world.ScriptedProvider())
    images = [*Image.objects.filter(workspace=who.workspace).order_by("id")]
    plain = renditions.make

    def make(image, **words):
        if image.id == images[0].id:
            raise RuntimeError("nobody thought of this")
        plain(image, **words)

    monkeypatch.setattr(renditions, "make", make)

    async def run() -> None:
        renderer = rendering.Renderer()
        for image in images:
            renderer.ask(image.id)
        running = asyncio.create_task(renderer.run())
        while renderer._waiting:
            assert not running.done()
            await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    rendered = dict(Image.objects.filter(workspace=who.workspace).values_list("id", "rendered_at"))
    assert [rendered[image.id] is not None for image in images] == [False, True, True, True]


def test_a_generation_that_kills_its_worker_every_time_ends_and_costs_nothing(monkeypatch):
    from django.db import connection

    who = world.person(credits=10)
    generation = world.submit(who)

    class Poison(world.ScriptedProvider):
        def read(self, raw):
            raise RuntimeError("nobody thought of this")

    provider = Poison()
    lives = 0
    while Generation.objects.get(id=generation.id).ended_at is None:
        lives += 1
        assert lives < 10
        try:
            world.drive(generation, provider)
        except BaseExceptionGroup as problem:
            assert problem.subgroup(RuntimeError)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE generations_generation SET lease_expires_at = now() - interval '1 second'"
                " WHERE id = %s AND lease_expires_at IS NOT NULL",
                [generation.id],
            )
    ended = Generation.objects.get(id=generation.id)
    assert (ended.state, ended.failure_code, lives) == ("failed", "interrupted", 5)
    assert len(provider.journal) == 1  # its answer is in the spool; nobody asked again
    assert world.available(who) == 10
