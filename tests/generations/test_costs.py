"""What an attempt costs is written with its end, in the statement that ends it; before that, what it may cost."""

import dataclasses

import pytest

from gesso.core import catalog, costs
from gesso.generations import attempts, leasing, lifecycle
from gesso.generations import costs as attempt_costs
from gesso.generations.models import Attempt, Generation
from gesso.moderation.verdict import Verdict
from gesso.providers import protocol
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

USAGE = {"input_tokens": 100, "output_tokens": 1756, "input_tokens_details": {"text_tokens": 60, "image_tokens": 40}}
# 60 x $5 + 40 x $8 + 1,756 x $30 for a million each
USED = 60 * 5 + 40 * 8 + 1756 * 30
TABLE = 52_680  # a medium picture of 1024x1024


class Paid(world.ScriptedProvider):
    """A provider that charges, and says what it used."""

    def __init__(self, *endings, usage=None):
        super().__init__(*endings)
        self.usage = USAGE if usage is None else usage

    def read(self, raw):
        return dataclasses.replace(super().read(raw), usage=self.usage)


@pytest.fixture(autouse=True)
def charged(monkeypatch):
    """The scripted provider stands for the paid one: only what runs here is free."""
    monkeypatch.setattr(attempt_costs, "FREE", "none of these")
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.0)


def submit(who, **settings):
    generation = world.submit(who, **settings)
    Generation.objects.filter(id=generation.id).update(model="gpt-image-2")
    return Generation.objects.get(id=generation.id)


def spent(generation):
    rows = Attempt.objects.filter(output__generation=generation).order_by("output__index", "number")
    return [(row.state, row.failure_kind, row.cost) for row in rows]


def test_a_delivered_picture_costs_what_its_answer_used():
    generation = submit(world.person(credits=20), count=2)
    assert world.drive(generation, Paid()).state == "succeeded"
    assert spent(generation) == [("finished", "", USED)] * 2 == [("finished", "", 53_300)] * 2


def test_an_answer_that_does_not_say_costs_what_the_table_says():
    generation = submit(world.person(credits=20))
    world.drive(generation, Paid(usage={"total": "many"}))
    assert spent(generation) == [("finished", "", TABLE)]


@pytest.mark.parametrize(
    ("kind", "cost"),
    [("unknown", TABLE), ("malformed", TABLE), ("unavailable", 0), ("rate_limited", 0)],
)
def test_a_failure_costs_only_where_the_provider_may_have_worked(kind, cost):
    generation = submit(world.person(credits=20))
    world.drive(generation, Paid(protocol.ProviderFailure(kind, "x")))
    assert [(row[1], row[2]) for row in spent(generation)] == [(kind, cost), ("", USED)]


def test_a_picture_that_is_withheld_was_paid_for():
    generation = submit(world.person(credits=20))
    no = Verdict(allowed=False, categories=("sexual",), source="test")
    assert world.drive(generation, Paid(), world.Moderator(output=no)).state == "failed"
    assert spent(generation) == [("finished", "", USED)]


def test_an_attempt_that_never_ended_keeps_what_it_may_have_cost():
    who = world.person(credits=20)
    generation = submit(who)
    claim = leasing.claim(generation.id, "worker:1")
    attempts.begin(generation.id, claim.epoch, seconds=900)
    assert spent(generation) == [("sending", "", TABLE)]
    lifecycle.cancel(who.workspace, generation.id, "")
    assert spent(generation) == [("sending", "", TABLE)]


def test_a_model_that_the_catalogue_does_not_know_has_no_known_cost():
    generation = submit(world.person(credits=20))
    Generation.objects.filter(id=generation.id).update(model="gone")
    generation.model = "gone"
    assert attempt_costs.expected(generation) is None
    assert attempt_costs.of_answer(generation, USAGE) is None
    assert attempt_costs.of_failure(generation, worked=True) is None
    assert attempt_costs.of_failure(generation, worked=False) == 0
    world.drive(generation, Paid())
    assert spent(generation) == [("finished", "", None)]


def test_the_sandbox_costs_nothing_whatever_it_says(monkeypatch):
    monkeypatch.setattr(attempt_costs, "FREE", "sandbox")
    generation = submit(world.person(credits=20))
    world.drive(generation, Paid(protocol.ProviderFailure("unknown", "x")))
    assert [row[2] for row in spent(generation)] == [0, 0]


def test_a_fixed_price_is_enough(monkeypatch):
    rows = {"gpt-image-2": costs.Costs.model_validate({"images": {"any": {"medium": "0.04"}}})}
    fixed = catalog.current().model_copy(update={"costs": rows})
    monkeypatch.setattr(catalog, "current", lambda: fixed)
    generation = submit(world.person(credits=20))
    world.drive(generation, Paid())
    assert spent(generation) == [("finished", "", 40_000)]
