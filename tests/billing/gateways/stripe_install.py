"""An install that sells through Stripe, against a fake of it: what the tests of Stripe act with.

Payers act on Stripe's own page over HTTP; webhooks are posted to the real endpoint and handled as the worker does.
"""

import dataclasses
from typing import Any

import httpx2
import pytest
from django.test import Client

from gesso.billing import orders, registry, subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.gateways import stripe as adapter
from gesso.billing.models import Order, Payment, Subscription
from gesso.config.doctor import INVARIANTS
from gesso.core import env, ids
from gesso.credits import queries
from gesso.webhooks import inbox
from tests import world
from tests.fakes.stripe import FakeStripe


class Install:
    """One install with one account at Stripe, and one person who buys. Webhooks wait until `hear`."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self.buyer = world.person()
        fake.webhooks.hold = True

    @property
    def till(self) -> adapter.Stripe:
        """The adapter as the registry made it."""
        found = registry.configured()["stripe"]
        assert isinstance(found, adapter.Stripe)
        return found

    def order(self, kind: str = "pack", item: str = "", who: world.Person | None = None) -> Order:
        """Order something and get as far as Stripe's page."""
        who = who or self.buyer
        item = item or ("pack-200" if kind == "pack" else "studio")
        return orders.buy(who.workspace, who.user, kind, item, order_id=ids.uuid7())  # type: ignore[arg-type]

    def press(self, order: Order, button: str) -> httpx2.Response:
        """Press a button on Stripe's page."""
        return httpx2.post(order.checkout_url, data={"press": button}, trust_env=False, follow_redirects=False)

    def bought(self, kind: str = "pack", item: str = "") -> Order:
        """Order, pay and let the webhooks arrive."""
        order = self.order(kind, item)
        assert self.press(order, "pay").status_code == 303
        self.hear()
        order.refresh_from_db()
        return order

    def hear(self, *places: int) -> list[int]:
        """Let held webhooks arrive in the order of these places (none: as they happened) and be handled."""
        held, self.fake.webhooks.held = self.fake.webhooks.held, []
        answers = [self.post(held[place]) for place in places or range(len(held))]
        inbox.handle_due()
        return answers

    def lose(self) -> int:
        """Let held webhooks never arrive; returns how many they were."""
        held, self.fake.webhooks.held = self.fake.webhooks.held, []
        return len(held)

    def post(self, event: dict[str, Any]) -> int:
        """Post an event as Stripe would; returns the status."""
        body, headers = self.fake.webhooks.signed(event)
        answer = Client().post("/webhooks/stripe", body, content_type="application/json", headers=headers)
        return answer.status_code

    def look(self, number: str, kind: protocol.Kind = "payment") -> list[protocol.State]:
        """Look at something as a webhook would have us."""
        return list(self.till.look(protocol.Subject(kind, number)))

    def payment(self, order: Order) -> Payment:
        """The newest payment of an order."""
        return Payment.objects.filter(order=order).latest("id")

    def plan(self) -> Subscription:
        """The buyer's plan that runs."""
        found = subscriptions.current(self.buyer.workspace.id)
        assert found
        return found

    def balance(self) -> tuple[int, int]:
        """The buyer's credits and debt."""
        found = queries.balance(self.buyer.workspace.id)
        return found.available, found.debt

    def books_hold(self) -> bool:
        """Whether the doctor finds nothing wrong with the money."""
        return not any(one.proof() for one in INVARIANTS if one.number in {"I-1", "I-2", "I-3"})


@pytest.fixture
def open_install(settings, db):
    """Return a function that opens an install with an account at Stripe."""
    made: list[FakeStripe] = []

    def opened(**options: Any) -> Install:
        fake = FakeStripe(**options).__enter__()
        made.append(fake)
        keys = env.GatewayKeys(fake.api_key, fake.webhook_secret, fake.url)
        settings.GESSO = dataclasses.replace(settings.GESSO, stripe=keys)
        registry.configured.cache_clear()
        return Install(fake)

    yield opened
    registry.configured.cache_clear()
    for fake in made:
        fake.__exit__()


@pytest.fixture
def install(open_install):
    """An install in Stripe's test mode."""
    return open_install()
