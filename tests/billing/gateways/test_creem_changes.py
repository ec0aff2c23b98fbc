"""Without a single webhook: reconciliation finds what changed at Creem, and asks little about what did not."""

import datetime

import pytest

from gesso.billing import reconciliation, subscriptions
from gesso.billing.gateways import creem_changes
from gesso.billing.models import Mismatch, Payment
from tests.billing.gateways.creem_install import install, open_install
from tests.fakes import creem_months

__all__ = ["install", "open_install"]
pytestmark = pytest.mark.django_db


def asked_by(install, action):
    install.store.server.journal.clear()
    found = action()
    return found, len(install.store.server.journal)


def reconcile(install):
    return reconciliation.run(install.till)


def test_a_day_without_webhooks_is_made_up_for(install):
    packs = [install.order() for _ in range(2)]
    plan = install.order("plan")
    for order in (*packs, plan):
        install.press(order, "pay")
    found = reconcile(install)
    assert (found.failed, len(found.mended)) == ("", 3)
    assert install.balance() == (800, 0)
    install.next_month()
    install.store.shop.refund(Payment.objects.get(order=packs[0]).external_id)
    install.store.shop.dispute(Payment.objects.get(order=packs[1]).external_id)
    creem_months.cancel(install.store.shop, install.plan().external_id, "scheduled")
    assert len(reconcile(install).mended) == 4
    assert install.balance() == (800, 0)
    assert install.plan().cancels_at_period_end
    install.hear(copies=2)
    assert install.balance() == (800, 0)
    assert not Mismatch.objects.exists()
    assert install.books_hold()


def test_what_is_known_is_not_looked_at_again(install):
    for _ in range(3):
        install.bought()
    install.bought("plan")
    found, requests = asked_by(install, lambda: reconcile(install))
    assert (found.looked_at, found.mended) == (0, [])
    assert requests == 2  # a page of transactions, a page of subscriptions


def test_an_order_that_was_left_is_asked_about_while_it_is_young(install):
    install.order()
    assert reconcile(install).looked_at == 1
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)
    assert list(install.till.changed_since(later)) == []


def test_a_refund_of_an_old_payment_is_found(install):
    order = install.bought()
    row = install.store.shop.transactions[Payment.objects.get(order=order).external_id]
    row["created_at"] -= int(datetime.timedelta(days=80).total_seconds() * 1000)
    install.store.shop.refund(row["id"])
    assert len(reconcile(install).mended) == 1
    assert install.balance() == (0, 0)


def test_pages_are_read_back_to_the_moment_and_to_the_end_when_they_are_not_newest_first(install, monkeypatch):
    for _ in range(6):
        install.bought()
    monkeypatch.setattr(install.store.server, "page_rows", 2)
    rows = sorted(install.store.shop.transactions.values(), key=lambda row: -row["created_at"])
    for row in rows[1:]:
        row["created_at"] -= int((creem_changes.LATE + datetime.timedelta(days=8)).total_seconds() * 1000)
    assert asked_by(install, lambda: reconcile(install))[1] == 2
    monkeypatch.setattr(install.store.server, "page_rows", 6)
    rows[0]["created_at"], rows[-1]["created_at"] = rows[-1]["created_at"], rows[0]["created_at"]
    assert reconcile(install).failed == ""


def test_a_shop_that_sells_other_things_too_is_left_alone(install):
    shop = install.store.shop
    shop.add_product("prod_shirt", 2500)
    shirt = shop.open({"product_id": "prod_shirt", "customer": {"email": "someone@example.com"}}, "http://x")
    shop.pay(shirt["id"])
    found = reconcile(install)
    assert (found.looked_at, found.mended) == (0, [])
    assert not Mismatch.objects.exists()


def test_what_has_ended_here_is_not_asked_about(install):
    install.bought("plan")
    plan = install.plan()
    creem_months.end_now(install.store.shop, plan.external_id)
    assert len(reconcile(install).mended) == 1
    assert subscriptions.current(install.buyer.workspace.id) is None
    install.store.shop.subscriptions[plan.external_id]["status"] = "active"
    assert reconcile(install).looked_at == 0


def test_creem_being_down_is_said_and_the_next_round_goes_on(install):
    order = install.order()
    install.press(order, "pay")
    install.store.server.faults.append((503, b"{}"))
    assert "503" in reconcile(install).failed
    assert len(reconcile(install).mended) == 1
