"""The same submission many times at once is one generation, one hold and one answer."""

import concurrent.futures
import threading

import pytest
from django.db import connection

from gesso.core import ids
from gesso.credits import ledger
from gesso.credits.models import CreditHold
from gesso.generations import submission
from gesso.generations.models import Generation
from tests import world
from tests.api import callers

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 10


def at_once(function):
    """Call `function` from ten threads at the same moment; return what each call returned or raised."""
    gate = threading.Barrier(AT_ONCE)

    def call(_):
        try:
            gate.wait(30)
            return function()
        except Exception as problem:  # noqa: BLE001 (an answer like any other)
            return problem
        finally:
            connection.close()

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(call, range(AT_ONCE)))


@pytest.mark.parametrize("credits_", [100, 4], ids=["plenty", "just enough"])
@pytest.mark.parametrize("round_", range(3))
def test_the_pages_id_sent_ten_times_is_one_generation(credits_, round_):
    who = world.person(credits=credits_)
    number, wanted = ids.uuid7(), world.wanted(count=1, quality="medium")
    answers = at_once(lambda: submission.submit(who.workspace, who.user, [wanted], generation_ids=[number])[0].id)
    assert answers == [number] * AT_ONCE
    assert CreditHold.objects.filter(workspace=who.workspace).count() == 1
    assert world.available(who) == credits_ - 4


@pytest.mark.parametrize("credits_", [100, 4], ids=["plenty", "just enough"])
@pytest.mark.parametrize("round_", range(3))
def test_an_idempotency_key_sent_ten_times_is_one_generation(credits_, round_):
    who = world.person(credits=credits_)
    caller = callers.Caller(who)
    body, headers = {"prompt": "Once", "quality": "medium", "count": 1}, {"Idempotency-Key": "the same"}
    answers = at_once(lambda: caller.post("/api/generations", body, **headers))
    assert [getattr(answer, "status_code", answer) for answer in answers] == [202] * AT_ONCE
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Generation.objects.filter(workspace=who.workspace).count() == 1
    assert CreditHold.objects.filter(workspace=who.workspace).count() == 1
    assert world.available(who) == credits_ - 4


def test_ten_different_ones_against_credits_for_three_are_three():
    who = world.person(credits=14)
    wanted = world.wanted(count=1, quality="medium")
    answers = at_once(lambda: submission.submit(who.workspace, who.user, [wanted])[0].id)
    refused = [answer for answer in answers if isinstance(answer, ledger.InsufficientCredits)]
    assert len(refused) == AT_ONCE - 3
    assert Generation.objects.filter(workspace=who.workspace).count() == 3
    assert world.available(who) == 2


def test_ten_cancels_are_one():
    who = world.person(credits=10)
    caller, number = callers.Caller(who), world.submit(who).id
    answers = [answer.status_code for answer in at_once(lambda: caller.post(f"/api/generations/{number}/cancel"))]
    assert sorted(answers) == [202] + [409] * (AT_ONCE - 1)
    assert world.available(who) == 10


def test_a_retry_sent_ten_times_with_one_key_is_one():
    who = world.person(credits=10)
    caller, number = callers.Caller(who), world.submit(who).id
    caller.post(f"/api/generations/{number}/cancel")
    answers = at_once(lambda: caller.post(f"/api/generations/{number}/retry", **{"Idempotency-Key": "again"}))
    assert [answer.status_code for answer in answers] == [202] * AT_ONCE
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Generation.objects.filter(workspace=who.workspace).count() == 2
