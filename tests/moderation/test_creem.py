"""Creem's moderation over real HTTP: every prompt is asked about while Creem sells, and no clear answer means no."""

import asyncio
import dataclasses

import pytest

from gesso.core import catalog, env
from gesso.generations import runner
from gesso.generations.models import Generation, Output
from gesso.moderation import creem, policy
from gesso.moderation.verdict import Verdict
from gesso.providers import openai
from tests import instance, world
from tests.fakes.creem import FakeCreem

ALLOWED = Verdict(allowed=True, categories=(), source="creem")


@pytest.fixture(scope="module")
def running_store():
    with FakeCreem() as store:
        yield store


@pytest.fixture
def store(running_store):
    running_store.server.journal.clear()
    running_store.server.faults.clear()
    return running_store


@pytest.fixture
def moderator(settings, monkeypatch, store, fake):
    """Return a function that makes the moderator of an install that sells through Creem."""

    def moderator(remote="off"):
        rules = catalog.Moderation(remote=remote, model="omni-moderation-latest")
        changed = catalog.load(None).model_copy(update={"moderation": rules})
        monkeypatch.setattr(catalog, "current", lambda: changed)
        keys = env.GatewayKeys(store.api_key, store.webhook_secret, store.url)
        settings.GESSO = dataclasses.replace(
            settings.GESSO, creem=keys, openai_api_key="sk-test", openai_base_url=fake.url
        )
        return policy.Moderator()

    return moderator


def judged(store, prompt="Three pears", *, key="", url=""):
    async def judge():
        prompts = creem.Prompts(key or store.api_key, url or store.url)
        try:
            return await prompts.judge(prompt, reference="generation-1")
        finally:
            await prompts.close()

    return asyncio.run(judge())


def unavailable(store, **where):
    with pytest.raises(policy.Unavailable) as failed:
        judged(store, **where)
    assert store.api_key not in str(failed.value)
    return failed.value


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


def test_what_creem_is_asked(store):
    assert judged(store, "Three pears 🍐") == ALLOWED
    assert store.server.journal == [
        ("POST", "/v1/moderation/prompt", {"prompt": "Three pears 🍐", "external_id": "generation-1"})
    ]


@pytest.mark.parametrize("decision", ["deny", "flag"])
def test_denied_and_flagged_are_both_blocked(store, decision):
    verdict = judged(store, f"Three pears [creem: {decision}]")
    assert verdict == Verdict(allowed=False, categories=(f"creem/{decision}",), source="creem")


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (503, b"{}"), (404, b"{}"), (302, b""), (200, b""), (200, b"[]"), (200, b"null"), (200, b"{}"),
     (200, b'{"decision": null}'), (200, b'{"decision": "ALLOW"}'), (200, b'{"decision": ["allow"]}'), (200, b"<html>")],
)  # fmt: skip
def test_what_is_no_clear_answer_is_no_verdict(store, status, body):
    store.server.faults.append((status, body))
    unavailable(store)


def test_silence_is_no_verdict(store, monkeypatch):
    monkeypatch.setattr(creem, "SECONDS", 0.3)
    store.server.faults.append(1.0)
    assert "ReadTimeout" in str(unavailable(store))


def test_a_call_that_is_cut_or_refused_is_no_verdict(store):
    store.server.faults.append("drop")
    unavailable(store)
    assert "403" in str(unavailable(store, key="creem_test_of_somebody_else"))
    assert "ConnectError" in str(unavailable(store, url=f"http://127.0.0.1:{instance.free_port()}"))


def test_every_prompt_is_asked_about_whatever_openais_rule_is(moderator, store, fake):
    assert ask(moderator("off"), lambda one: one.judge_request("Three pears", [], reference="g-1")) == ALLOWED
    assert [call[2]["external_id"] for call in store.server.journal] == ["g-1"]
    assert fake.journal() == []


def test_both_must_allow_and_what_one_blocked_goes_no_further(moderator, store, fake):
    assert ask(moderator("auto"), lambda one: one.judge_request("Three pears", [])).allowed
    assert (len(store.server.journal), len(fake.journal())) == (1, 1)
    blocked = ask(moderator("auto"), lambda one: one.judge_request("Three pears [creem: deny]", []))
    assert (blocked.allowed, blocked.source, len(fake.journal())) == (False, "creem", 1)
    blocked = ask(moderator("auto"), lambda one: one.judge_request("A duel [fake: flag=violence]", []))
    assert (blocked.allowed, blocked.source) == (False, "omni-moderation-latest")


def test_what_the_local_rules_stop_never_leaves(moderator, store):
    assert ask(moderator(), lambda one: one.judge_request("a naked child", [])).source == "local"
    assert store.server.journal == []


def test_pictures_that_came_back_are_not_creems_affair(moderator, store):
    assert ask(moderator(), lambda one: one.judge_output(world.picture(), "image/png")).source == "off"
    assert store.server.journal == []


def test_without_creem_nobody_asks_it(settings, moderator, store):
    moderator()
    settings.GESSO = dataclasses.replace(settings.GESSO, creem=None)
    assert ask(policy.Moderator(), lambda one: one.judge_request("Three pears", [])).source == "local"
    assert store.server.journal == []


@pytest.mark.django_db(transaction=True)
def test_a_generation_that_creem_denies_costs_nothing_and_is_never_sent(moderator, store, fake):
    who = world.person(credits=10)
    generation = world.submit(who, "A duel [creem: deny]")
    ask(moderator(), lambda made: advance(generation, openai.OpenAI("sk-test", fake.url), made))
    ended = Generation.objects.get(id=generation.id)
    assert (ended.state, Output.objects.get(generation=ended).failure_code) == ("failed", "moderation_blocked")
    assert world.available(who) == 10
    assert fake.images() == []


@pytest.mark.django_db(transaction=True)
def test_a_generation_waits_while_creem_does_not_answer(moderator, store, fake):
    who = world.person(credits=10)
    generation = world.submit(who, "Three pears")
    store.server.faults.append((503, b""))
    ask(moderator(), lambda made: advance(generation, openai.OpenAI("sk-test", fake.url), made))
    assert not Output.objects.filter(generation=generation, image__isnull=False).exists()
    assert Generation.objects.get(id=generation.id).state == "queued"
    assert fake.images() == []
