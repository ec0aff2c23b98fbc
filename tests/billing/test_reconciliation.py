"""Without any webhook: reconciliation finds what happened, says each thing in a sentence, and finds nothing twice."""

import datetime

import pytest
from django.db import OperationalError

from gesso.billing import reconciliation, registry, subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Mismatch, Payment, Reconciliation, Subscription
from gesso.core import clock
from gesso.credits import queries
from tests import world
from tests.billing import shop
from tests.billing.till import Till

pytestmark = pytest.mark.django_db


@pytest.fixture
def till(monkeypatch):
    made = Till()
    monkeypatch.setattr(registry, "configured", lambda: {made.name: made})
    return made


@pytest.fixture
def day(till):
    """A day in which the gateway's webhooks all went nowhere."""
    who = world.person()
    pack, plan, expired, failed = shop.order(who), shop.order(who, "plan"), shop.order(who), shop.order(who)
    till.know(
        protocol.CheckoutState(id=expired.checkout_id, order=str(expired.id), state="expired"),
        protocol.CheckoutState(id=failed.checkout_id, order=str(failed.id), state="failed"),
        shop.paid(pack, refunded=400), shop.paid(plan), shop.renewed(plan, 1, dispute="open"),
        shop.standing(plan, cancels_at_period_end=True, period_end=shop.NOW + 2 * shop.MONTH),
    )  # fmt: skip
    return who


def available(who) -> int:
    return queries.balance(who.workspace.id).available


def test_a_day_without_webhooks_is_found_and_said(till, day):
    made = reconciliation.run(till)
    assert sorted(made.mended) == [
        "200 credits: 200 credits added for a payment.",
        "200 credits: refunded",
        "200 credits: the checkout expired.",
        "200 credits: the checkout failed.",
        "Studio, next month: 400 credits added for a payment.",
        "Studio, next month: the payment is disputed",
        "Studio: 400 credits added for a payment.",
        "Studio: the plan ends with its month",
    ]
    assert (made.failed, made.looked_at, bool(made.ended_at)) == ("", 6, True)
    assert available(day) == 100 + 400
    again = reconciliation.run(till)
    assert (again.mended, again.looked_at, available(day)) == ([], 6, 500)
    assert not Mismatch.objects.exists()
    till.know(shop.standing(Subscription.objects.get().order, state="ended", cancels_at_period_end=True))
    assert reconciliation.run(till).mended == ["Studio: the plan has ended"]
    assert subscriptions.current(day.workspace.id) is None


def test_the_past_week_is_asked_for(till, monkeypatch):
    asked = []
    monkeypatch.setattr(till, "changed_since", lambda moment: asked.append(moment) or iter(()))
    reconciliation.run(till)
    reconciliation.run(till, days=30)
    assert asked == [clock.now() - datetime.timedelta(days=7), clock.now() - datetime.timedelta(days=30)]


def test_a_gateway_that_goes_away_in_the_middle_keeps_what_was_mended(till, day):
    third = list(till.states)[3]
    till.broken[third.id] = protocol.Unavailable("It does not answer.")
    made = reconciliation.run(till)
    made.refresh_from_db()
    assert (made.looked_at, len(made.mended), made.failed) == (3, 4, "It does not answer.")
    assert made.ended_at
    assert Payment.objects.count() == 1
    till.broken.clear()
    assert len(reconciliation.run(till).mended) == 4
    assert available(day) == 500


def test_a_gateway_that_cannot_even_be_asked_is_said(till, monkeypatch):
    def nothing(_moment: datetime.datetime):
        yield from ()
        raise protocol.Unavailable("It does not answer.")

    monkeypatch.setattr(till, "changed_since", nothing)
    made = reconciliation.run(till)
    assert (made.failed, made.looked_at, bool(made.ended_at)) == ("It does not answer.", 0, True)


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (protocol.Refused("There is no such checkout."), "checkout {}: There is no such checkout."),
        (KeyError("secret"), "checkout {}: an unexpected KeyError; the log has it."),
    ],
)
def test_what_cannot_be_looked_at_keeps_nothing_else_from_it(till, day, problem, said):
    first = next(iter(till.states))
    till.broken[first.id] = problem
    made = reconciliation.run(till)
    assert (made.failed, made.looked_at) == (said.format(first.id), 5)
    assert available(day) == 500


def test_while_the_database_is_away_nothing_is_pretended(till, day):
    till.broken[""] = OperationalError("the connection is closed")
    with pytest.raises(OperationalError):
        reconciliation.run(till)
    assert Reconciliation.objects.get().ended_at is None


def test_a_round_is_due_every_quarter_of_an_hour_for_each_gateway(till, monkeypatch):
    other = Till("creem")
    monkeypatch.setattr(registry, "configured", lambda: {"stripe": till, "creem": other})

    def names() -> list[str]:
        return [made.gateway for made in reconciliation.run_due()]

    def ago(gateway: str, seconds: int) -> None:
        at = clock.now() - datetime.timedelta(seconds=seconds)
        Reconciliation.objects.filter(gateway=gateway).update(began_at=at)

    assert names() == ["stripe", "creem"]
    assert names() == []
    ago("stripe", 899)
    assert names() == []
    ago("stripe", 900)
    assert names() == ["stripe"]
    ago("creem", 901)
    assert names() == ["creem"]


def test_a_round_that_was_stopped_says_so(till, day):
    looks = iter([False, False, True])
    made = reconciliation.run(till, stopped=lambda: next(looks))
    assert (made.looked_at, made.failed) == (2, "The worker was stopped.")


def test_old_rounds_go(till):
    for days in (89, 91):
        Reconciliation.objects.create(gateway="stripe", began_at=clock.now() - datetime.timedelta(days=days))
    reconciliation.run(till)
    assert Reconciliation.objects.count() == 2


def test_what_is_not_ours_is_noted_once_and_mends_nothing(till):
    made = shop.order(world.person())
    till.know(shop.paid(made, amount=799))
    assert [reconciliation.run(till).mended for _ in range(2)] == [[], []]
    assert Mismatch.objects.get().code == "other_amount"
