"""From what a gateway reports to credits: once, in any order, and only what our own order bears out."""

import datetime
import itertools

import pytest
from django.db import transaction

from gesso.billing import fulfilment
from gesso.billing.models import Customer, Mismatch, Order, Payment, Subscription
from gesso.config import doctor
from gesso.credits import ledger, queries
from tests import world
from tests.billing import shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer():
    return world.person()


def balance(who):
    found = queries.balance(who.workspace.id)
    return found.available, found.debt


def books_hold():
    _, document = doctor_document()
    return document["ok"], document


def doctor_document():
    findings = [
        (invariant.number, invariant.proof())
        for invariant in doctor.INVARIANTS
        if invariant.number in {"I-1", "I-2", "I-3"}
    ]
    return findings, {"ok": not any(found for _, found in findings), "found": findings}


def apply(*states):
    return fulfilment.apply("test", states)


def test_a_paid_pack_is_its_credits_once_and_for_ever(buyer):
    made = shop.order(buyer)
    for _ in range(3):
        apply(shop.paid(made))
    assert balance(buyer) == (200, 0)
    grant = Payment.objects.get(order=made).grant
    assert (grant.source, grant.amount, grant.expires_at) == ("pack", 200, None)
    assert Order.objects.get(id=made.id).state == "paid"
    assert queries.is_paid(buyer.workspace.id)


def test_unpaid_is_nothing(buyer):
    made = shop.order(buyer)
    assert apply(shop.paid(made, paid_at=None)) == []
    assert balance(buyer) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": 799}, "other_amount"), ({"amount": 80_000}, "other_amount"), ({"currency": "eur"}, "other_currency"),
        ({"live": True}, "other_mode"), ({"item": "pack-5000"}, "other_item"), ({"item": ""}, "other_item"),
        ({"order": "01890000-0000-7000-8000-000000000000"}, "no_order"), ({"order": "x"}, "no_order"),
        ({"reason": "first"}, "other_item"), ({"reason": "renewal"}, "other_item"), ({"id": "x" * 200}, "strange_id"),
    ],
)  # fmt: skip
def test_what_our_order_does_not_bear_out_moves_nothing_and_is_noted(buyer, fields, code):
    made = shop.order(buyer)
    for _ in range(2):
        assert apply(shop.paid(made, **fields)) == []
    assert balance(buyer) == (0, 0)
    assert not Payment.objects.exists()
    assert [row.code for row in Mismatch.objects.all()] == [code]
    assert Order.objects.get(id=made.id).state == "open"


def test_another_gateway_cannot_pay_an_order(buyer):
    made = shop.order(buyer)
    assert fulfilment.apply("stripe", [shop.paid(made)]) == []
    assert balance(buyer) == (0, 0)
    assert Mismatch.objects.get().code == "other_gateway"


def test_a_customer_of_another_workspace_cannot_pay_an_order(buyer):
    Customer.objects.create(workspace=world.person().workspace, gateway="test", live=False, external_id="cus_1")
    made = shop.order(buyer)
    assert apply(shop.paid(made, customer="cus_1")) == []
    assert Mismatch.objects.get().code == "other_workspace"


def test_a_customer_of_the_gateways_test_mode_is_another_than_the_live_one(buyer):
    """After the keys changed from test to live, an old customer is asked for in vain."""
    Customer.objects.create(workspace=buyer.workspace, gateway="test", live=True, external_id="cus_live")
    made = shop.order(buyer)
    apply(shop.paid(made, customer="cus_test"))
    assert balance(buyer) == (200, 0)
    assert set(Customer.objects.values_list("live", "external_id")) == {(True, "cus_live"), (False, "cus_test")}


def test_a_second_payment_of_one_order_is_for_staff_to_send_back(buyer):
    made = shop.order(buyer)
    apply(shop.paid(made))
    apply(shop.paid(made, id="pay_other"))
    assert balance(buyer) == (200, 0)
    assert Mismatch.objects.get().code == "paid_twice"


def test_a_refund_takes_the_credits_in_its_measure(buyer):
    made = shop.order(buyer)
    for refunded, left in ((0, 200), (200, 150), (200, 150), (500, 75), (800, 0), (900, 0)):
        apply(shop.paid(made, refunded=refunded))
        assert balance(buyer) == (left, 0)
    row = Payment.objects.get()
    assert (row.refunded, row.claimed, row.taken_back) == (800, 200, 200)
    assert books_hold()[0]


def test_a_refund_that_did_not_go_through_gives_the_credits_again(buyer):
    made = shop.order(buyer)
    for refunded, left in ((400, 100), (0, 200), (400, 100), (800, 0), (400, 100)):
        apply(shop.paid(made, refunded=refunded))
        assert balance(buyer) == (left, 0)
    assert books_hold()[0]


def test_a_refund_after_spending_is_owed_and_the_next_pack_pays_it(buyer):
    made = shop.order(buyer)
    apply(shop.paid(made))
    hold = ledger.hold(buyer.workspace.id, amount=150, reference="work")
    ledger.settle(hold.id, captured=150)
    apply(shop.paid(made, refunded=800))
    assert balance(buyer) == (0, 150)
    with pytest.raises(ledger.InDebt), transaction.atomic():
        ledger.hold(buyer.workspace.id, amount=1, reference="more")
    apply(shop.paid(shop.order(buyer)))
    assert balance(buyer) == (50, 0)
    assert books_hold()[0]


def test_a_dispute_takes_everything_and_gives_it_again_when_it_is_won(buyer):
    made = shop.order(buyer)
    apply(shop.paid(made))
    hold = ledger.hold(buyer.workspace.id, amount=50, reference="work")
    ledger.settle(hold.id, captured=50)
    apply(shop.paid(made, dispute="open"))
    assert balance(buyer) == (0, 50)
    apply(shop.paid(made, dispute="won"))
    assert balance(buyer) == (150, 0)
    apply(shop.paid(made, dispute="lost"))
    assert balance(buyer) == (0, 50)
    assert books_hold()[0]


def test_a_dispute_that_was_won_and_then_refunded_takes_the_credits_that_came_again(buyer):
    made = shop.order(buyer)
    for fields, left in (({"dispute": "open"}, 0), ({"dispute": "won"}, 200), ({"dispute": "won", "refunded": 800}, 0)):
        apply(shop.paid(made, **fields))
        assert balance(buyer) == (left, 0)
    assert books_hold()[0]


def test_a_plan_through_three_months(buyer):
    made = shop.order(buyer, "plan")
    apply(shop.paid(made), shop.standing(made))
    for month in (1, 2):
        apply(shop.renewed(made, month))
        apply(shop.renewed(made, month))
    assert balance(buyer) == (1200, 0)
    ends = [row.grant.expires_at - row.period_end for row in Payment.objects.all()]
    assert ends == [datetime.timedelta(hours=48)] * 3
    buyer.workspace.refresh_from_db()
    assert (buyer.workspace.concurrent, buyer.workspace.members_most) == (8, 3)
    apply(shop.standing(made, state="ended"))
    buyer.workspace.refresh_from_db()
    assert (buyer.workspace.concurrent, buyer.workspace.members_most) == (None, None)
    apply(shop.standing(made))
    assert Subscription.objects.get().state == "ended"


def test_every_order_of_the_same_reports_ends_the_same(buyer):
    def story(made):
        return [
            shop.paid(made), shop.standing(made, period_end=shop.NOW + 2 * shop.MONTH), shop.renewed(made, 1, order=str(made.id), refunded=700),
            shop.paid(made, refunded=0),
        ]  # fmt: skip

    results = set()
    for turn in itertools.permutations(range(4)):
        who = world.person()
        told = story(shop.order(who, "plan"))
        for index in turn:
            apply(told[index])
        results.add((*balance(who), Subscription.objects.get(workspace=who.workspace).period_end))
    assert results == {(600, 0, shop.NOW + 2 * shop.MONTH)}
    assert not Mismatch.objects.exists()


def test_a_second_plan_of_one_workspace_is_for_staff(buyer):
    first, second = shop.order(buyer, "plan"), shop.order(buyer, "plan")
    apply(shop.paid(first), shop.paid(second))
    assert balance(buyer) == (400, 0)
    assert Mismatch.objects.get().code == "second_subscription"


def test_a_checkout_that_failed_may_still_be_paid(buyer):
    made = shop.order(buyer)
    shop.press(made, "fail")
    assert Order.objects.get(id=made.id).state == "failed"
    apply(shop.paid(made))
    assert Order.objects.get(id=made.id).state == "paid"
    assert balance(buyer) == (200, 0)
