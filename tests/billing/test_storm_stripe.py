"""The storm once more with Stripe's own adapter over HTTP: its real events, lost, doubled and in any order."""

import os
import random

import pytest

from gesso.billing import proof, reconciliation
from gesso.billing.models import Mismatch, Order, Payment, Subscription
from gesso.credits import queries
from gesso.webhooks import inbox
from gesso.webhooks import proof as heard
from gesso.webhooks.models import WebhookEvent
from tests.billing.gateways.stripe_install import Install, install, open_install

__all__ = ["install", "open_install"]

pytestmark = pytest.mark.django_db

SEEDS = range(max(6, int(os.environ.get("SEQUENCES", "500")) // 100))


class Weather:
    """One install in a storm. `left` is what each payment's credits must be in the end, by the order's words."""

    def __init__(self, studio: Install, seed: int) -> None:
        self.studio, self.dice = studio, random.Random(seed)
        self.waiting: list[dict] = []
        self.pack, self.plan = studio.order(), studio.order("plan")
        self.left: dict[str, int] = {}

    def number(self, kind: str, place: int = -1) -> str:
        """Return the id of an object at Stripe, the newest if no place is given."""
        return self.studio.fake.objects(kind)[place]["id"]

    def blow(self) -> None:
        """Take what has happened; deliver some of it now, some twice, some never, the rest later."""
        fake, dice = self.studio.fake, self.dice
        for event in fake.webhooks.held:
            self.waiting += [event] * dice.choice([0, 1, 1, 2, 3])
        fake.webhooks.held = []
        dice.shuffle(self.waiting)
        keep = dice.randint(0, len(self.waiting))
        for event in self.waiting[keep:]:
            assert self.studio.post(event) == 202
        del self.waiting[keep:]
        inbox.handle_due()

    def story(self) -> None:
        """Ten things happen: two purchases, two renewals, refunds, a dispute with its end, a plan's end."""
        fake, dice = self.studio.fake, self.dice
        fake.pay(self.pack.checkout_id)
        self.left["pack"] = 200
        self.blow()
        fake.pay(self.plan.checkout_id)
        self.left["first"] = 400
        self.blow()
        plan, pack = self.number("subscription"), fake.object(self.pack.checkout_id)["payment_intent"]
        months = {"first": self.number("invoice")}
        for name in ("second", "third"):
            months[name] = fake.renew(plan)["id"]
            self.left[name] = 400
            self.blow()
        part = fake.refund(pack, 400)["id"]
        self.left["pack"] = 100
        self.blow()
        name = dice.choice(list(months))
        dispute = fake.dispute(months[name])["id"]
        self.left[name] = 0
        self.blow()
        outcome = dice.choice(["won", "lost"])
        fake.decide(dispute, outcome)
        self.left[name] = 400 if outcome == "won" else 0
        self.blow()
        other = dice.choice([month for month in months if month != name])
        fake.refund(months[other])
        self.left[other] = 0
        self.blow()
        if dice.random() < 0.5:
            fake.fail_refund(part)
            self.left["pack"] = 200
        else:
            fake.refund(pack)
            self.left["pack"] = 0
        self.blow()
        fake.end(plan)
        self.blow()


@pytest.mark.parametrize("seed", SEEDS)
def test_stripes_own_events_in_any_order_end_with_stripes_books(install, seed):
    weather = Weather(install, seed)
    weather.story()
    reconciliation.run(install.till)
    assert reconciliation.run(install.till).mended == []
    wallet = queries.balance(install.buyer.workspace.id)
    assert wallet.available - wallet.debt == sum(weather.left.values())
    (line,) = queries.statement(install.buyer.workspace.id, limit=1).lines
    assert line.balance_after == wallet.available
    assert sorted(row.credits - row.claimed for row in Payment.objects.all()) == sorted(weather.left.values())
    assert {order.state for order in Order.objects.all()} == {"paid"}
    assert Subscription.objects.get().state == "ended"
    assert not Mismatch.objects.filter(seen_at__isnull=True).exists()
    assert not WebhookEvent.objects.exclude(failed="").exists()
    assert install.books_hold()
    assert [*proof.paid_once(), *heard.heard_once()] == []
