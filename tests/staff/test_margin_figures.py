"""What images earned and cost, to the millionth, worked by hand: a pack is 200 credits for $8.00, 4 cents a credit."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gesso.core import catalog
from gesso.credits import ledger
from gesso.generations import settlement
from gesso.generations.models import Attempt, Generation, Output
from gesso.staff import margin_figures, margin_periods
from gesso.staff.margin_figures import Figures
from tests import world
from tests.staff import till

pytestmark = pytest.mark.django_db

CENTS = 10_000  # millionths


@pytest.fixture
def who():
    return world.person(email="ada@example.org")


def month():
    return margin_figures.report(margin_periods.chosen("month"))


def test_nothing_is_nothing():
    report = month()
    assert report.total == Figures()
    assert (report.total.margin, report.total.permille) == (0, None)
    assert report.models == report.members == report.steps == []


def test_a_paid_image(who):
    till.buy(who)
    till.work(who, "delivered")
    total = month().total
    # 4 credits of 4 cents; 30,500 millionths of cost; 16 - 3.05 = 12.95 cents, 80.9375 % of 16
    assert total == Figures(images=1, charged=4, paid=4, earned=16 * CENTS, cost=till.USED)
    assert (total.margin, total.permille) == (129_500, 809)


def test_free_credits_are_worth_nothing_and_come_first(who):
    till.buy(who)
    ledger.grant(who.workspace.id, source="promo", amount=6, reference="p", expires_at=_tomorrow())
    till.work(who, "delivered", "delivered")
    # 8 credits: 6 of the gift, 2 of the pack
    assert month().total == Figures(images=2, charged=8, paid=2, earned=8 * CENTS, cost=2 * till.USED)


@pytest.mark.parametrize("source", ["daily", "staff", "promo", "make-good"])
def test_what_was_given_earns_nothing(who, source):
    ledger.grant(who.workspace.id, source=source, amount=10, reference="x", expires_at=_tomorrow())
    till.work(who, "delivered")
    total = month().total
    assert (total.charged, total.paid, total.earned, total.margin) == (4, 0, 0, -till.USED)
    assert total.permille is None


def test_partial_delivery_and_what_the_house_bears(who):
    till.buy(who)
    till.work(who, "delivered", "withheld", "user_input", "unknown")
    total = month().total
    # delivered and withheld used 30,500 each; unknown (to be sent again, but ended) 52,680 by the table; refused 0.
    assert total == Figures(
        images=1, charged=4, paid=4, earned=16 * CENTS,
        cost=2 * till.USED + till.TABLE, borne=till.USED + till.TABLE, maybe=till.TABLE,
    )  # fmt: skip
    assert total.cost == 113_680
    assert total.margin == 160_000 - 113_680


def test_a_picture_that_was_withdrawn_is_returned_and_borne(who):
    till.buy(who)
    generation = till.work(who, "delivered", "delivered")
    settlement.withdraw(Output.objects.filter(generation=generation).first().image_id)
    assert month().total == Figures(images=1, charged=4, paid=4, earned=16 * CENTS, cost=2 * till.USED, borne=till.USED)


def test_a_refund_of_what_was_not_spent_changes_nothing_here(who):
    payment = till.buy(who)
    till.work(who, *["delivered"] * 2)
    till.told_again(payment, refunded=600)  # 150 of 200 credits; the house keeps $2 for the other 50
    assert month().total == Figures(images=2, charged=8, paid=8, earned=32 * CENTS, cost=2 * till.USED)


def test_a_refund_of_what_was_spent_is_taken_off(who):
    payment = till.buy(who)
    till.work(who, *["delivered"] * 4)  # 16 credits, 64 cents
    till.work(who, *["delivered"] * 4, quality="high")  # 64 credits, $2.56
    till.told_again(payment, refunded=700)
    # $1 is kept and stands for max(200 - 175, 80) = 80 credits: 16 of them are 20 cents, 64 are 80
    lines = {of.quality: figures for of, figures in month().qualities}
    assert (lines["medium"].earned, lines["medium"].refunds) == (64 * CENTS, 44 * CENTS)
    assert (lines["high"].earned, lines["high"].refunds) == (256 * CENTS, 176 * CENTS)
    total = month().total
    assert total.earned - total.refunds == 100 * CENTS
    till.told_again(payment, refunded=800)
    assert month().total.refunds == month().total.earned == 320 * CENTS


def test_a_lost_dispute_earns_nothing_an_open_or_won_one_does(who):
    payment = till.buy(who)
    till.work(who, "delivered")
    for dispute, refunds in (("open", 0), ("lost", 16), ("won", 0)):
        till.told_again(payment, dispute=dispute)
        assert (month().total.earned, month().total.refunds) == (16 * CENTS, refunds * CENTS), dispute
    till.work(who, "delivered")  # from the credits that came again
    assert (month().total.paid, month().total.earned, month().total.refunds) == (8, 32 * CENTS, 0)


def test_cents_that_do_not_divide_are_rounded_once_for_each_part(who):
    # $8.00 for 200 at first; then a payment of 7 credits for 100 cents: 1 credit is 142,857.142... millionths
    payment = till.buy(who)
    till.as_if(payment, credits=7, amount=100)
    till.work(who, "delivered", quality="low")
    till.work(who, "delivered", quality="low")
    till.work(who, "delivered", "delivered", quality="low")
    # 142,857 + 142,857 + 285,714
    report = month()
    assert report.total.earned == 571_428
    for table in (report.models, report.qualities, report.prices, report.members, report.steps):
        assert sum(figures.earned for _, figures in table) == 571_428


def test_what_nobody_knows_is_counted_and_not_guessed(who):
    till.buy(who)
    till.work(who, "delivered", model="gone")
    assert month().total == Figures(images=1, charged=4, paid=4, earned=16 * CENTS, unknown=1)


def test_the_sandbox_costs_nothing_even_before_costs_were_written_down(who):
    till.buy(who)
    till.work(who, "delivered")
    Attempt.objects.update(provider="sandbox", cost=None)
    assert (month().total.cost, month().total.unknown) == (0, 0)


def test_money_of_tests_counts_only_until_there_is_real_money(who):
    payment = till.buy(who)
    till.work(who, "delivered")
    assert month().total.earned == 16 * CENTS
    other = till.buy(world.person())
    till.as_if(other, live=True)
    assert (month().total.earned, month().total.paid) == (0, 0)
    till.as_if(payment, live=True)
    assert month().total.earned == 16 * CENTS


def test_another_currency_is_said_and_not_added(who):
    payment = till.buy(who)
    till.work(who, "delivered")
    till.as_if(payment, currency="eur")
    assert (month().total.earned, month().total.paid, month().total.elsewhere) == (0, 0, 4)


@pytest.mark.parametrize(("rate", "cost"), [(860_000, 26_230), (1_000_016, 30_500), (1_000_017, 30_501), (None, 0)])
def test_costs_are_in_the_catalogues_currency(who, monkeypatch, rate, cost):
    payment = till.buy(who)
    till.work(who, "delivered")
    till.as_if(payment, currency="eur")
    rules = catalog.current()
    billing = rules.billing.model_copy(update={"usd_rate": rate})
    changed = rules.model_copy(update={"currency": "eur", "billing": billing})
    monkeypatch.setattr(catalog, "current", lambda: changed)
    total = month().total
    # 30,500 x 1.000016 = 30,500.488; x 1.000017 = 30,500.5185
    assert (total.earned, total.cost, total.unknown) == (16 * CENTS, cost, int(rate is None))


def test_every_table_has_the_same_sum_and_its_own_rows(who):
    other = world.person(email="bob@example.org")
    for person in (who, other):
        till.buy(person)
    till.work(who, "delivered", "unknown")
    till.work(who, "delivered", quality="high", model="gpt-image-1.5")
    till.work(other, "delivered", quality="low")
    report = month()
    for table in (report.models, report.qualities, report.prices, report.members, report.steps):
        for name in ("images", "charged", "earned", "cost", "borne", "maybe"):
            assert sum(getattr(figures, name) for _, figures in table) == getattr(report.total, name) > 0
    assert {of.model for of, _ in report.models} == {"gpt-image-2", "gpt-image-1.5"}
    assert [(of.member, figures.images) for of, figures in report.members] == [
        ("ada@example.org", 2), ("bob@example.org", 1),
    ]  # fmt: skip
    assert {(of.model, of.quality): figures.charged for of, figures in report.prices} == {
        ("gpt-image-2", "medium"): 4, ("gpt-image-2", "low"): 1, ("gpt-image-1.5", "high"): 16,
    }  # fmt: skip


def test_a_period_holds_what_ended_in_it(who):
    till.buy(who)
    generation = till.work(who, "delivered")
    last = margin_periods.chosen("last")
    Generation.objects.filter(id=generation.id).update(ended_at=last.until - datetime.timedelta(microseconds=1))
    assert month().total.images == 0
    assert margin_figures.report(last).total.images == 1
    assert margin_figures.report(last).steps[0][0].step == (last.until - datetime.timedelta(days=1)).date()
    year = margin_figures.report(margin_periods.chosen("year"))
    assert [of.step for of, _ in year.steps] == [last.since.date()]
    Generation.objects.filter(id=generation.id).update(ended_at=last.until)
    assert (month().total.images, margin_figures.report(last).total.images) == (1, 0)


def test_work_in_hand_is_not_in_it_yet(who):
    till.buy(who)
    world.submit(who)
    assert month().total == Figures()


def test_it_is_one_statement(who):
    till.buy(who)
    till.work(who, "delivered")
    month()
    with CaptureQueriesContext(connection) as seen:
        margin_figures.report(margin_periods.chosen("year"))
    assert len([query for query in seen if "generations_generation" in query["sql"]]) == 1


def _tomorrow():
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
