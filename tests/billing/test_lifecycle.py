"""A plan's whole life, told late, twice and out of turn: what was paid for is what was agreed, and nobody loses a month."""

import itertools

import pytest

from gesso.billing import fulfilment, looking, registry, subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Mismatch, Order, Payment, PlanChange, Subscription
from gesso.core import catalog
from gesso.credits import ledger, queries
from tests import world
from tests.billing import shop
from tests.billing.till import Till

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def till(monkeypatch):
    made = Till()
    monkeypatch.setattr(registry, "configured", lambda: {made.name: made})
    return made


@pytest.fixture
def buyer():
    return world.person()


@pytest.fixture
def plan(buyer):
    """The order of a plan whose first month is paid."""
    made = shop.order(buyer, "plan")
    apply(shop.paid(made), shop.standing(made))
    return made


def apply(*states, **words):
    return fulfilment.apply("stripe", states, **words)


def wallet(who) -> tuple[int, int]:
    found = queries.balance(who.workspace.id)
    return found.available, found.debt


def limits(who) -> tuple[int | None, int | None]:
    who.workspace.refresh_from_db()
    return who.workspace.concurrent, who.workspace.members_most


def upgraded(made: Order, **fields) -> protocol.PaymentState:
    """The difference for half a month: 2,800 between the prices, 1,100 between the credits."""
    words = {"id": f"pay_{made.id}_up", "reason": "change", "item": "team", "amount": 1400, "order": ""}
    return shop.paid(made, **(words | {"paid_at": shop.NOW + shop.MONTH / 2} | fields))


def at(month: int):
    return shop.NOW + month * shop.MONTH


def test_an_upgrade_brings_the_difference_in_the_measure_of_the_month_that_is_left(buyer, plan):
    subscriptions.change(buyer.workspace, "team")
    apply(upgraded(plan), upgraded(plan))
    assert wallet(buyer) == (400 + 550, 0)
    assert limits(buyer) == (20, 10)
    row = Payment.objects.get(reason="change")
    assert (row.name, row.credits, row.period_end) == ("Studio to Team", 550, at(1))
    ours = Subscription.objects.get()
    assert (ours.plan, ours.amount, ours.next_plan) == ("team", 4200, "")


def test_the_difference_is_never_more_than_was_agreed(buyer, plan):
    subscriptions.change(buyer.workspace, "team")
    apply(upgraded(plan, amount=999_999))
    assert wallet(buyer) == (400 + 1100, 0)


def test_a_change_that_nobody_asked_for_is_for_staff(buyer, plan):
    assert apply(upgraded(plan)) == []
    assert (wallet(buyer), Mismatch.objects.get().code) == ((400, 0), "other_item")


def test_one_change_is_paid_once(buyer, plan):
    subscriptions.change(buyer.workspace, "team")
    apply(upgraded(plan), upgraded(plan, id="pay_again"))
    assert (wallet(buyer), Mismatch.objects.get().code) == ((950, 0), "other_item")


def test_up_and_down_and_up_again(buyer, plan):
    for turn, item in enumerate(("team", "studio", "team", "studio")):
        subscriptions.change(buyer.workspace, item)
        if item == "team":
            apply(upgraded(plan, id=f"pay_up_{turn}", amount=700, paid_at=at(turn) + shop.MONTH / 2))
        else:
            ours = Subscription.objects.get()
            assert (ours.plan, ours.next_plan) == ("team", "studio")
            subscriptions.change(buyer.workspace, "team")  # stays after all
            assert Subscription.objects.get().next_plan == ""
            subscriptions.change(buyer.workspace, "studio")
            apply(shop.renewed(plan, turn, item="studio", amount=1400, paid_at=at(turn)))
    assert not Mismatch.objects.exists()
    assert wallet(buyer) == (400 + 2 * 275 + 2 * 400, 0)
    assert Subscription.objects.get().plan == "studio"


def test_every_order_of_an_upgrade_and_the_months_around_it_ends_the_same(till):
    """A month at the old price, the change and a month at the new one, whichever is heard first."""
    results = set()
    for turn in itertools.permutations(range(4)):
        who = world.person()
        made = shop.order(who, "plan")
        apply(shop.paid(made))
        subscriptions.change(who.workspace, "team")
        told = [
            shop.renewed(made, 1, paid_at=at(1)),
            upgraded(made, paid_at=at(1) + shop.MONTH / 2, period_end=at(2)),
            shop.renewed(made, 2, item="team", amount=4200, paid_at=at(2)),
            shop.renewed(made, 1, paid_at=at(1), refunded=700),
        ]
        for index in turn:
            apply(told[index])
        apply(told[3])
        ours = Subscription.objects.get(workspace=who.workspace)
        results.add((*wallet(who), ours.plan, ours.next_plan, ours.period_end, *limits(who)))
    assert results == {(400 + 200 + 550 + 1500, 0, "team", "", at(3), 20, 10)}
    assert not Mismatch.objects.exists()


def test_a_smaller_plan_begins_with_its_month_and_the_dearer_ends(buyer, plan):
    subscriptions.change(buyer.workspace, "team")
    apply(upgraded(plan))
    subscriptions.change(buyer.workspace, "studio")
    assert (Subscription.objects.get().plan, limits(buyer)) == ("team", (20, 10))
    apply(shop.renewed(plan, 1, item="studio", amount=1400, paid_at=at(1)))
    assert (Subscription.objects.get().plan, limits(buyer)) == ("studio", (8, 3))
    assert wallet(buyer) == (950 + 400, 0)


def test_a_gateway_that_did_not_answer_may_have_heard_the_change(buyer, plan, till):
    till.broken["change_plan"] = protocol.Unavailable("It did not answer.")
    with pytest.raises(protocol.Unavailable):
        subscriptions.change(buyer.workspace, "team")
    assert Subscription.objects.get().next_plan == ""
    apply(upgraded(plan))
    assert (wallet(buyer), Subscription.objects.get().plan) == ((950, 0), "team")


def test_a_gateway_that_refused_has_changed_nothing(buyer, plan, till):
    till.broken["change_plan"] = protocol.Refused("The card was refused.")
    with pytest.raises(protocol.Refused):
        subscriptions.change(buyer.workspace, "team")
    assert (Subscription.objects.get().next_plan, PlanChange.objects.count()) == ("", 0)
    assert apply(upgraded(plan)) == []
    assert wallet(buyer) == (400, 0)


def test_a_month_that_was_paid_before_the_plan_ended_counts_when_it_is_heard_late(buyer, plan):
    apply(shop.standing(plan, state="ended"))
    apply(shop.renewed(plan, 1))
    assert wallet(buyer) == (800, 0)
    assert (Subscription.objects.get().state, limits(buyer)) == ("ended", (None, None))


def test_what_an_old_plan_says_late_leaves_the_new_ones_limits_alone(buyer, plan):
    apply(shop.standing(plan, state="ended"))
    new = shop.order(buyer, "plan", "team")
    apply(shop.paid(new), shop.standing(new))
    apply(shop.standing(plan, state="ended", period_end=at(2)), shop.renewed(plan, 1, paid_at=at(1)))
    assert limits(buyer) == (20, 10)
    assert wallet(buyer) == (400 + 1500 + 400, 0)


def test_a_late_old_month_does_not_move_the_plan_back(buyer, plan):
    apply(shop.renewed(plan, 2, paid_at=at(2)))
    apply(shop.renewed(plan, 1, paid_at=at(1)))
    assert (wallet(buyer), Subscription.objects.get().period_end) == ((1200, 0), at(3))


@pytest.mark.parametrize("fields", [{"amount": 0}, {"amount": 1399}, {"amount": -1400}, {"item": "team"}])
def test_a_month_for_another_price_is_for_staff(buyer, plan, fields):
    assert apply(shop.renewed(plan, 1, **fields)) == []
    assert (wallet(buyer), Mismatch.objects.get().code) == ((400, 0), "other_amount")


def test_a_change_for_nothing_changes_the_plan_and_brings_nothing(buyer, plan):
    subscriptions.change(buyer.workspace, "team")
    apply(upgraded(plan, amount=0))
    apply(upgraded(plan, amount=0, dispute="won"))
    assert (wallet(buyer), Subscription.objects.get().plan) == ((400, 0), "team")
    row = Payment.objects.get(reason="change")
    assert (row.credits, row.grant, row.claimed) == (0, None, 0)


def test_a_refund_of_a_change_takes_the_changes_credits_alone(buyer, plan):
    subscriptions.change(buyer.workspace, "team")
    apply(upgraded(plan))
    apply(upgraded(plan, refunded=700))
    assert wallet(buyer) == (400 + 275, 0)
    apply(upgraded(plan, refunded=1400))
    assert (wallet(buyer), Subscription.objects.get().plan) == ((400, 0), "team")


def test_a_dispute_about_a_month_takes_that_month(buyer, plan):
    apply(shop.renewed(plan, 1), shop.renewed(plan, 2))
    for dispute, left in (("open", 800), ("won", 1200), ("open", 800), ("lost", 800)):
        apply(shop.renewed(plan, 1, dispute=dispute))
        assert wallet(buyer) == (left, 0)


@pytest.mark.parametrize(
    "way", list(itertools.permutations([{"refunded": 700}, {"dispute": "open"}, {"dispute": "won"}]))
)
def test_what_had_expired_is_not_taken_whichever_came_first(buyer, plan, way):
    """300 of 400 are spent, the rest expires unused: a refund of half the price takes 200 however one comes there."""
    hold = ledger.hold(buyer.workspace.id, amount=300, reference="work")
    ledger.settle(hold.id, captured=300)
    Payment.objects.get().grant.__class__.objects.update(expires_at="2026-01-01T00:00:00Z")
    ledger.expire_due(buyer.workspace.id)
    for fields in way:
        apply(shop.paid(plan, **fields))
    apply(shop.paid(plan, refunded=700, dispute="won"))
    row = Payment.objects.get()
    assert (row.claimed, row.taken_back) == (200, 200)
    assert queries.balance(buyer.workspace.id).debt == 200


def test_a_month_without_an_end_runs_for_its_grace(buyer):
    made = shop.order(buyer, "plan")
    apply(shop.paid(made, period_end=None))
    assert (wallet(buyer), Subscription.objects.get().period_end) == ((400, 0), None)
    apply(shop.renewed(made, 1, period_end=None))
    assert wallet(buyer) == (800, 0)
    apply(shop.standing(made))
    assert Subscription.objects.get().period_end == at(1)


@pytest.mark.parametrize("state", ["past_due", "ended"])
def test_a_plan_that_was_never_paid_does_not_begin(buyer, state):
    made = shop.order(buyer, "plan")
    assert apply(shop.standing(made, state=state)) == []
    assert (Subscription.objects.count(), limits(buyer)) == (0, (None, None))


def test_a_plan_that_is_sold_no_more_goes_on_as_it_was_bought(buyer, plan, monkeypatch):
    table = catalog.current()
    monkeypatch.setattr(catalog, "current", lambda: table.model_copy(update={"plans": (), "packs": ()}))
    apply(shop.renewed(plan, 1), shop.standing(plan, period_end=at(2)))
    assert (wallet(buyer), limits(buyer)) == ((800, 0), (8, 3))
    apply(shop.standing(plan, state="ended"))
    assert limits(buyer) == (None, None)


def test_a_subscription_belongs_to_one_order(buyer, plan):
    other = shop.order(world.person(), "plan")
    assert apply(shop.paid(other, subscription=f"sub_{plan.id}"), shop.paid(other, subscription="", id="x")) == []
    assert {row.code for row in Mismatch.objects.all()} == {"other_subscription"}
    assert Payment.objects.count() == 1


def test_what_is_borne_out_after_all_needs_nobody_to_see_it(buyer):
    made = shop.order(buyer, "plan")
    assert apply(shop.renewed(made, 1)) == []
    assert Mismatch.objects.get(code="no_order").seen_at is None
    apply(shop.paid(made), shop.renewed(made, 1))
    assert Mismatch.objects.get(code="no_order").seen_at
    assert wallet(buyer) == (800, 0)


@pytest.mark.django_db(transaction=True)
def test_who_looked_first_does_not_undo_what_was_seen_later(buyer, till, monkeypatch):
    made = shop.order(buyer)
    subject = protocol.Subject("payment", f"pay_{made.id}")
    till.know(shop.paid(made))
    looking.look(till, subject)
    plain, slow = till.look, []

    def overtaken(asked: protocol.Subject) -> list[protocol.State]:
        """The answer to the first look is on its way while somebody else looks and acts."""
        seen = plain(asked)
        if not slow:
            slow.append(True)
            till.know(shop.paid(made, refunded=800))
            looking.look(till, asked)
        return seen

    monkeypatch.setattr(till, "look", overtaken)
    till.know(shop.paid(made, refunded=400))
    looking.look(till, subject)
    row = Payment.objects.get()
    assert (row.refunded, row.moves, wallet(buyer)) == (800, 1, (0, 0))
    assert till.looked.count(subject) == 4
