"""An install that sells through Creem, against a fake store: what the tests of Creem act with.

Payers act on the store's own pages over HTTP; webhooks are posted to the real endpoint and handled as the worker does.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from django.test import Client

from gesso.billing import orders, registry, subscriptions
from gesso.billing.gateways import creem as adapter
from gesso.billing.gateways import protocol
from gesso.billing.models import Order
from gesso.config.doctor import INVARIANTS
from gesso.core import catalog, env, ids
from gesso.credits import queries
from gesso.webhooks import inbox
from tests import world
from tests.fakes import creem_months
from tests.fakes.creem import FakeCreem


class Install:
    """One install with one store, and one person who buys."""

    def __init__(self, store: FakeCreem) -> None:
        self.store = store
        self.buyer = world.person()

    @property
    def till(self) -> adapter.Creem:
        """The adapter as the registry made it."""
        found = registry.configured()["creem"]
        assert isinstance(found, adapter.Creem)
        return found

    def order(self, kind: str = "pack", item: str = "", who: world.Person | None = None) -> Order:
        """Order something and get as far as the store's page."""
        who = who or self.buyer
        item = item or ("pack-200" if kind == "pack" else "studio")
        return orders.buy(who.workspace, who.user, kind, item, order_id=ids.uuid7())  # type: ignore[arg-type]

    def press(self, order: Order, button: str) -> httpx2.Response:
        """Press a button on the store's page."""
        return httpx2.post(order.checkout_url, data={"press": button}, trust_env=False, follow_redirects=False)

    def bought(self, kind: str = "pack", item: str = "") -> Order:
        """Order, pay and let the webhooks arrive."""
        order = self.order(kind, item)
        assert self.press(order, "pay").status_code == 303
        self.hear()
        return order

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Post a webhook to the endpoint; returns its status."""
        return (
            Client().post("/webhooks/creem", body, content_type="application/json", headers=dict(headers)).status_code
        )

    def hear(self, **knobs: Any) -> list[int]:
        """Let waiting webhooks arrive and be handled; returns how each was answered."""
        answers = self.store.outbox.deliver(self.post, **knobs)
        inbox.handle_due()
        return answers

    def next_month(self, *, paid: bool = True) -> None:
        """Let the buyer's month end."""
        creem_months.next_period(self.store.shop, self.plan().external_id, paid=paid)

    def plan(self) -> Any:
        """The buyer's plan that runs."""
        return subscriptions.current(self.buyer.workspace.id)

    def balance(self) -> tuple[int, int]:
        """The buyer's credits and debt."""
        found = queries.balance(self.buyer.workspace.id)
        return found.available, found.debt

    def look(self, kind: protocol.Kind, number: str) -> list[protocol.State]:
        """Look at something as a webhook would have us."""
        return list(self.till.look(protocol.Subject(kind, number)))

    def books_hold(self) -> bool:
        """Whether the doctor finds nothing wrong with the money."""
        return not any(one.proof() for one in INVARIANTS if one.number in {"I-1", "I-2", "I-3"})


def sold(store: FakeCreem) -> catalog.Catalog:
    """Put the catalogue on sale in the store; returns it with its products named."""
    table = catalog.load(None)
    rows = {}
    for kind, found in (("packs", table.packs), ("plans", table.plans)):
        for row in found:
            store.shop.add_product(f"prod_{row.id}", row.price, table.currency, monthly=kind == "plans")
        rows[kind] = tuple(row.model_copy(update={"creem_product": f"prod_{row.id}"}) for row in found)
    return table.model_copy(update=rows)


@pytest.fixture
def open_install(settings, monkeypatch, db):
    """Return a function that opens an install with a store."""
    made = []

    def opened(*, live: bool = False) -> Install:
        store = FakeCreem(live=live).__enter__()
        made.append(store)
        table = sold(store)
        monkeypatch.setattr(catalog, "current", lambda: table)
        keys = env.GatewayKeys(store.api_key, store.webhook_secret, store.url)
        settings.GESSO = dataclasses.replace(settings.GESSO, creem=keys)
        registry.configured.cache_clear()
        return Install(store)

    yield opened
    for till in registry.configured().values():
        if isinstance(till, adapter.Creem):
            till.close()
    registry.configured.cache_clear()
    for store in made:
        store.__exit__(None, None, None)


@pytest.fixture
def install(open_install):
    """An install in Creem's test mode."""
    return open_install()
