"""The moderator of a process: when the remote judge is asked, and that it is asked last."""

import asyncio
import dataclasses

import pytest
import structlog

from gesso.core import catalog
from gesso.generations import runner
from gesso.generations.models import Generation, Output
from gesso.moderation import policy
from gesso.providers import openai
from tests import world


@pytest.fixture
def moderator(settings, monkeypatch, fake):
    """Return a function that makes the moderator of an install with this rule and key."""

    def moderator(remote="auto", key="sk-test"):
        rules = catalog.Moderation(remote=remote, model="omni-moderation-latest")
        changed = catalog.load(None).model_copy(update={"moderation": rules})
        monkeypatch.setattr(catalog, "current", lambda: changed)
        settings.GESSO = dataclasses.replace(settings.GESSO, openai_api_key=key, openai_base_url=fake.url)
        return policy.Moderator()

    return moderator


def ask(made, question):
    async def asked():
        try:
            return await question(made)
        finally:
            await made.close()

    return asyncio.run(asked())


async def advance(generation, provider, made):
    run = runner.Runner({"sandbox": provider}, made)
    try:
        await run.advance(generation.id)
    finally:
        await run.close()


@pytest.mark.parametrize(
    ("remote", "key", "active"),
    [("auto", "sk-test", True), ("auto", "", False), ("off", "sk-test", False), ("required", "", True)],
)
def test_the_catalogue_and_a_key_switch_it_on(moderator, remote, key, active):
    made = moderator(remote, key)
    assert made.active is active
    asyncio.run(made.close())


def test_a_server_without_moderation_is_told_of_at_the_start(moderator, fake, monkeypatch):
    def said(**rules):
        with structlog.testing.capture_logs() as lines:
            ask(moderator(**rules), lambda one: one.check())
        return [line["reason"] for line in lines]

    assert said() == []
    assert len(fake.journal()) == 1
    monkeypatch.setattr(policy, "QUESTION", "[fake: moderations 404]")
    (reason,) = said()
    assert 'Set remote = "off" under [moderation] in the catalogue' in reason
    assert said(remote="off") == []


def test_off_means_local_rules_only(moderator, fake):
    made = moderator("off")
    assert ask(made, lambda one: one.judge_request("[fake: flag=hate]", [])).allowed
    assert ask(made, lambda one: one.judge_output(world.picture(), "image/png")).source == "off"
    assert not ask(made, lambda one: one.judge_request("a naked child", [])).allowed
    assert fake.journal() == []


def test_required_without_a_key_fails_closed(moderator, fake):
    with pytest.raises(policy.Unavailable):
        ask(moderator("required", ""), lambda one: one.judge_request("Three pears", []))


def test_what_the_local_rules_stop_never_leaves(moderator, fake):
    verdict = ask(moderator(), lambda one: one.judge_request("a naked child", [(world.picture(), "image/png")]))
    assert (verdict.allowed, verdict.source) == (False, "local")
    assert fake.journal() == []


def test_prompt_and_references_are_judged(moderator, fake):
    pictures = [(world.picture(colour=colour), "image/png") for colour in ("red", "blue")]
    assert ask(moderator(), lambda one: one.judge_request("Three pears", pictures)).allowed
    assert sorted(len(call["pictures"]) for call in fake.journal()) == [0, 1, 1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("directive", "code", "asked"),
    [("flag=violence", "moderation_blocked", 0), ("flag-output=sexual", "output_withheld", 1)],
)
def test_a_flagged_generation_costs_nothing_and_shows_nothing(moderator, fake, directive, code, asked):
    who = world.person(credits=10)
    generation = world.submit(who, f"A duel [fake: {directive}]")
    ask(moderator(), lambda made: advance(generation, openai.OpenAI("sk-test", fake.url), made))
    ended = Generation.objects.get(id=generation.id)
    (output,) = Output.objects.filter(generation=ended)
    assert (ended.state, output.failure_code, output.image) == ("failed", code, None)
    assert world.available(who) == 10
    assert len(fake.images()) == asked


def test_a_fault_of_ours_at_the_start_is_told_and_ends_nothing(moderator, monkeypatch):
    async def broken(*_):
        raise RuntimeError("nobody thought of this")

    made = moderator()
    monkeypatch.setattr(made._remote, "judge", broken)
    with structlog.testing.capture_logs() as lines:
        ask(made, lambda one: one.check())
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "moderation could not be asked at the start")
    ]
