"""Staff look at money and at what gateways said, send money back once for each form, and say what they have seen."""

import threading
import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client

from gesso.billing import fulfilment, reconciliation, registry
from gesso.billing.gateways import protocol
from gesso.billing.models import Mismatch, Order, Payment, Reconciliation, Subscription
from gesso.core import clock
from gesso.credits import queries
from gesso.webhooks import inbox
from gesso.webhooks.models import WebhookEvent
from tests import world
from tests.billing import shop as sales
from tests.billing import till as fake
from tests.staff.shop import BACKEND, browser_of
from tests.staff.test_looking import INLINE, NOBODY, OF_MONEY, listed

pytestmark = pytest.mark.django_db


@pytest.fixture
def till(monkeypatch):
    made = fake.Till()
    monkeypatch.setattr(registry, "configured", lambda: {made.name: made})
    return made


@pytest.fixture
def who(till):
    """Somebody with a pack and a plan, whose gateway also said what nothing of ours bears out."""
    found = world.person(email="ada@example.org")
    pack, plan = sales.order(found), sales.order(found, "plan")
    till.know(sales.paid(pack), sales.paid(plan), sales.standing(plan), sales.paid(pack, id="pay_twice"))
    body = fake.event("evt_1", protocol.Subject("payment", f"pay_{pack.id}"))
    inbox.receive(till, body, {"x-signature": fake.sign(body)})
    inbox.handle_due()
    reconciliation.run(till)
    return found


@pytest.fixture
def rows(who):
    """A row of each kind by the name of its list."""
    return {
        "billing/order": Order.objects.get(kind="pack"),
        "billing/subscription": Subscription.objects.get(),
        "billing/payment": Payment.objects.get(reason="pack"),
        "billing/mismatch": Mismatch.objects.get(),
        "billing/reconciliation": Reconciliation.objects.get(),
        "webhooks/webhookevent": WebhookEvent.objects.get(),
    }


@pytest.fixture
def payment(rows):
    return rows["billing/payment"]


def address(payment: Payment) -> str:
    return f"/staff/billing/payment/{payment.pk}/refund/"


def form(**changed: str) -> dict[str, str]:
    return {"amount": "4.00", "reason": "A slow Tuesday", "once": str(uuid.uuid4()), "confirmed": "400"} | changed


def available(who) -> int:
    return queries.balance(who.workspace.pk).available


@pytest.mark.parametrize("kind", OF_MONEY)
def test_lists_and_pages_are_drawn_without_anything_inline_and_lead_on(browser, rows, kind):
    for path in ("/staff/", f"/staff/{kind}/", f"/staff/{kind}/{rows[kind].pk}/change/"):
        response = browser.get(path)
        assert response.status_code == 200
        assert not INLINE.findall(response.content)
    assert browser.get(f"/staff/{kind}/{rows[kind].pk}/history/").status_code == 200


@pytest.mark.parametrize("kind", OF_MONEY)
def test_for_anybody_else_there_is_nothing_here(who, rows, kind):
    for browser in (browser_of(who.user), Client()):
        for path in (f"/staff/{kind}/", f"/staff/{kind}/{rows[kind].pk}/change/"):
            assert browser.get(path).status_code in {302, 404}
            assert browser.post(path).status_code in {302, 404}


@pytest.mark.parametrize("kind", OF_MONEY)
def test_nothing_can_be_written(browser, rows, kind):
    row = rows[kind]
    before = type(row).objects.filter(pk=row.pk).values().get()
    told = {field.name: "1" for field in row._meta.fields} | {"_save": "Save"}
    for path in (f"{row.pk}/change/", "add/", f"{row.pk}/delete/"):
        assert browser.post(f"/staff/{kind}/{path}", told).status_code == 403
    assert type(row).objects.filter(pk=row.pk).values().get() == before


def test_what_was_sold_is_found_by_email_and_by_every_id(browser, rows, who):
    other = world.person(email="bob@example.org")
    fulfilment.apply("stripe", [sales.paid(sales.order(other))])
    order, plan, paid = rows["billing/order"], rows["billing/subscription"], rows["billing/payment"]
    workspace = str(who.workspace.pk)
    assert len(listed(browser, "billing/order", "ADA@example")) == 2
    assert len(listed(browser, "billing/payment", workspace)) == 2
    for kind, row, texts in (
        ("billing/order", order, (str(order.pk), order.checkout_id)),
        ("billing/subscription", plan, (str(plan.pk), plan.external_id, workspace, str(plan.order_id), "ada@example")),
        ("billing/payment", paid, (str(paid.pk), paid.external_id, paid.external_id[:20], str(order.pk))),
    ):
        for text in texts:
            assert str(row.pk) in listed(browser, kind, text), (kind, text)
        for text in ("zzz", NOBODY, "%", "'"):
            assert listed(browser, kind, text) == []


def test_what_gateways_said_is_found_by_their_ids(browser, rows):
    assert listed(browser, "billing/mismatch", "pay_tw") == [str(rows["billing/mismatch"].pk)]
    assert listed(browser, "webhooks/webhookevent", "evt_1") == [str(rows["webhooks/webhookevent"].pk)]
    assert listed(browser, "webhooks/webhookevent", "evt_2") == []
    page = browser.get(f"/staff/webhooks/webhookevent/{rows['webhooks/webhookevent'].pk}/change/").content.decode()
    assert "200 credits: 200 credits added for a payment." in page
    page = browser.get(f"/staff/billing/reconciliation/{rows['billing/reconciliation'].pk}/change/").content.decode()
    assert "Studio: 400 credits added for a payment." in page


@pytest.mark.parametrize("kind", OF_MONEY)
def test_filters_know_their_words(browser, rows, kind):
    for choice in ("seen_at__isempty=1", "seen_at__isempty=0", "standing=given-up", "standing=waiting", "standing=x"):
        assert browser.get(f"/staff/{kind}/?{choice}").status_code in {200, 302}


@pytest.mark.parametrize("kind", ["billing/order", "billing/payment", "webhooks/webhookevent"])
def test_tests_and_live_money_are_listed_apart(browser, rows, kind):
    def of(mode: str) -> int:
        return len(browser.get(f"/staff/{kind}/?mode={mode}").context["cl"].result_list)

    kept = rows[kind].__class__.objects
    with world.without_guards():
        kept.update(live=False)
        kept.filter(pk=rows[kind].pk).update(live=True)
    assert (of("live"), of("test"), of("")) == (1, kept.count() - 1, kept.count())


def test_a_refund_is_asked_about_first_and_then_sent(browser, boss, who, payment, till):
    page = browser.get(f"/staff/billing/payment/{payment.pk}/change/").content.decode()
    assert address(payment) in page
    shown = browser.get(address(payment))
    assert shown.context["form"]["amount"].value() == "8.00"
    sent = form(once=str(shown.context["form"]["once"].value()))
    del sent["confirmed"]
    asked = browser.post(address(payment), sent)
    page = asked.content.decode()
    assert asked.status_code == 200
    assert "4.00 USD go back through stripe. 100 credits are taken back." in page
    assert 'name="confirmed" value="400"' in page
    assert (till.refunds, available(who)) == ({}, 600)
    done = browser.post(address(payment), sent | {"confirmed": "400"}, follow=True)
    assert "4.00 USD sent back. 4.00 USD is left, 100 credits were claimed back." in done.content.decode()
    assert (list(till.refunds.values()), available(who)) == ([400], 500)
    line = LogEntry.objects.get()
    assert (line.user, line.object_id) == (boss, str(payment.pk))
    assert line.change_message == f"Refunded 4.00 USD: A slow Tuesday ({sent['once']})"
    assert "Refunded 4.00 USD" in browser.get(f"/staff/billing/payment/{payment.pk}/history/").content.decode()


def test_another_amount_than_the_one_shown_is_asked_about_again(browser, who, payment, till):
    asked = browser.post(address(payment), form(amount="8.00"))
    assert "8.00 USD go back" in asked.content.decode()
    assert (till.refunds, available(who)) == ({}, 600)


def test_a_form_sent_twice_sends_once(browser, who, payment, till):
    sent = form(amount="8.00", confirmed="800")
    assert browser.post(address(payment), sent).status_code == 302
    again = browser.post(address(payment), sent, follow=True)
    assert "nothing was sent twice" in again.content.decode()
    assert (list(till.refunds.values()), available(who), LogEntry.objects.count()) == ([800], 400, 1)


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_once_send_once(boss, who, payment, till):
    sent, told, barrier = form(), [], threading.Barrier(3)

    def press() -> None:
        browser = browser_of(boss)
        barrier.wait()
        told.append(browser.post(address(payment), sent).status_code)
        connection.close()

    threads = [threading.Thread(target=press) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [302] * 3
    assert (list(till.refunds.values()), available(who), LogEntry.objects.count()) == ([400], 500, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": ""}, {"amount": "0"}, {"amount": "-1"}, {"amount": "8.01"}, {"amount": "1.005"}, {"amount": "NaN"},
        {"amount": "1e9"}, {"amount": "many"}, {"reason": " "}, {"reason": "x" * 201}, {"once": "1"}, {"once": ""},
    ],
)  # fmt: skip
def test_a_bad_form_sends_nothing_and_says_so(browser, who, payment, till, changed):
    response = browser.post(address(payment), form(**changed))
    assert response.status_code == 400
    assert "errorlist" in response.content.decode()
    assert (till.refunds, available(who), LogEntry.objects.count()) == ({}, 600, 0)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (protocol.Refused("The charge is too old."), "The gateway refused: The charge is too old."),
        (protocol.Unavailable("It is tired."), "did not answer (It is tired.). Press again: nothing is sent twice."),
    ],
)
def test_what_the_gateway_would_not_do_is_said(browser, who, payment, till, problem, words):
    till.broken["refund"] = problem
    sent = form()
    response = browser.post(address(payment), sent)
    assert (response.status_code, words in response.content.decode()) == (400, True)
    assert (available(who), LogEntry.objects.count()) == (600, 0)
    till.broken.clear()
    assert browser.post(address(payment), sent).status_code == 302
    assert (list(till.refunds.values()), available(who)) == ([400], 500)


def test_nobody_else_sends_money_back(who, boss, payment, till):
    for client in (Client(), browser_of(who.user)):
        assert client.post(address(payment), form()).status_code in {302, 404}
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss, backend=BACKEND)
    assert strict.post(address(payment), form()).status_code == 403
    assert till.refunds == {}


def test_a_payment_that_is_not_there_has_no_refund(browser, till):
    for number in ("999999", "x"):
        assert browser.post(f"/staff/billing/payment/{number}/refund/", form()).status_code == 404


def test_what_is_all_sent_back_offers_no_refund(browser, payment):
    fulfilment.apply("stripe", [sales.paid(payment.order, refunded=800)])
    assert address(payment) not in browser.get(f"/staff/billing/payment/{payment.pk}/change/").content.decode()
    assert browser.post(address(payment), form()).status_code == 400


def test_what_nobody_has_seen_is_on_the_first_page_until_somebody_has(browser, boss, rows):
    row = rows["billing/mismatch"]
    sentence = "1 report of a gateway was not borne out by our rows; nothing moved."
    assert sentence in browser.get("/staff/").content.decode()
    page = browser.get(f"/staff/billing/mismatch/{row.pk}/change/").content.decode()
    assert f"/staff/billing/mismatch/{row.pk}/seen/" in page
    assert browser.get(f"/staff/billing/mismatch/{row.pk}/seen/").status_code == 405
    for _ in range(2):
        assert browser.post(f"/staff/billing/mismatch/{row.pk}/seen/").status_code == 302
    assert Mismatch.objects.get().seen_at
    assert (LogEntry.objects.count(), LogEntry.objects.get().user) == (1, boss)
    assert sentence not in browser.get("/staff/").content.decode()
    assert "Mark as seen" not in browser.get(f"/staff/billing/mismatch/{row.pk}/change/").content.decode()
    assert browser.post("/staff/billing/mismatch/99999/seen/").status_code == 404


def test_nobody_else_has_seen_anything(who, rows):
    row = rows["billing/mismatch"]
    assert browser_of(who.user).post(f"/staff/billing/mismatch/{row.pk}/seen/").status_code == 404
    assert Mismatch.objects.get().seen_at is None


def test_what_was_given_up_and_looks_that_fail_or_stay_away_are_on_the_first_page(browser, rows):
    WebhookEvent.objects.update(handled_at=None, due_at=None, failed="It is tired.")
    Reconciliation.objects.update(failed="It does not answer.")
    page = browser.get("/staff/").content.decode()
    assert "1 webhook was given up; reconciliation looks on." in page
    assert "The last look at stripe is not whole: It does not answer." in page
    assert len(browser.get("/staff/webhooks/webhookevent/?standing=given-up").context["cl"].result_list) == 1
    Reconciliation.objects.update(failed="", began_at=clock.now() - 4 * reconciliation.EVERY)
    assert "Nobody has looked at stripe since" in browser.get("/staff/").content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "renews"),
        ({"cancels_at_period_end": True}, "ends"),
        (
            {"next_plan": "studio", "next_name": "Studio", "next_credits": 1400, "next_amount": 1400},
            "Studio, 1,400 credits for 14.00 USD",
        ),
    ],
)
def test_the_page_of_a_plan_says_what_comes_after_its_month(browser, rows, fields, words):
    plan = rows["billing/subscription"]
    Subscription.objects.filter(pk=plan.pk).update(**fields)
    for path in ("", f"{plan.pk}/change/"):
        assert words in browser.get(f"/staff/billing/subscription/{path}").content.decode()


def test_an_empty_list_says_so(browser):
    assert "There is nothing yet." in browser.get("/staff/billing/payment/").content.decode()
    assert "Nothing found." in browser.get("/staff/billing/payment/?q=zzzz").content.decode()
