"""Somebody at the counter: a signed-in browser, what its pages say, and a gateway that plays a list of answers."""

import contextlib
import dataclasses
import html
import re
from collections.abc import Iterator, Sequence

from django.test import Client

from gesso.billing import registry
from gesso.billing.gateways import protocol, testing
from gesso.billing.test_shelf import Shelf
from gesso.web import headers
from tests import world

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@dataclasses.dataclass(frozen=True)
class Counter:
    """A person and their browser."""

    who: world.Person
    browser: Client

    def get(self, path: str, status: int = 200) -> str:
        """Return what the page at `path` says."""
        return said(self.browser.get(path), status)

    def form(self, item: str, page: str = "") -> dict[str, str]:
        """Return the fields of the form that buys `item`."""
        return next(each for each in forms(page or self.get("/credits/buy")) if each.get("item") == item)

    def buy(self, item: str):
        """Press the button of `item` on a fresh page."""
        return self.browser.post("/credits/buy", self.form(item))

    def pay(self, item: str, button: str = "pay") -> str:
        """Buy `item` through the test checkout and return the address of the order's page."""
        checkout = self.buy(item)["Location"]
        return self.browser.post(checkout, {"button": button})["Location"]


def stand(who: world.Person | None = None) -> Counter:
    """Return somebody with a browser."""
    who = who or world.person()
    browser = Client()
    browser.force_login(who.user, backend=BACKEND)
    return Counter(who, browser)


def said(response, status: int = 200) -> str:
    """Return the page's markup, with entities read, when it has this status."""
    assert response.status_code == status, response.content[:2000]
    return html.unescape(response.content.decode())


def forms(page: str) -> list[dict[str, str]]:
    """Return the named fields of each form of a page."""
    found = re.findall(r"<form.*?</form>", page, flags=re.DOTALL)
    return [dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form)) for form in found]


def code(page: str) -> str:
    """Return the code of the refusal that a page shows."""
    return re.search(r'data-code="([^"]+)"', page)[1]


class Scripted(testing.Testing):
    """A gateway elsewhere: like the test checkout, but named `stripe`, live, and failing where it is told to."""

    name = "stripe"
    live = True
    received = 202
    page_origins = ("https://pay.example",)

    def __init__(self) -> None:
        super().__init__(Shelf(), "https://pay.example")
        self.trouble: Exception | None = None
        self.asked: list[str] = []

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.trouble:
            raise self.trouble

    def open_checkout(self, sale: protocol.Sale) -> protocol.Checkout:
        """Fail, or open a page elsewhere."""
        self._ask("open")
        return super().open_checkout(sale)

    def look(self, subject: protocol.Subject) -> Sequence[protocol.State]:
        """Fail, or tell; everything is live."""
        self._ask("look")
        return [
            state if isinstance(state, protocol.CheckoutState) else dataclasses.replace(state, live=True)
            for state in super().look(subject)
        ]

    def change_plan(self, subscription: str, sale: protocol.Sale, *, now: bool) -> None:
        """Fail, or change."""
        self._ask("change")
        super().change_plan(subscription, sale, now=now)

    def cancel_at_period_end(self, subscription: str) -> None:
        """Fail, or cancel."""
        self._ask("cancel")
        super().cancel_at_period_end(subscription)

    def portal(self, customer: str, return_url: str) -> str:
        """Fail, or lead to a page elsewhere."""
        self._ask("portal")
        return f"https://pay.example/portal/{customer}"


@contextlib.contextmanager
def tills(monkeypatch, *gateways: protocol.Gateway) -> Iterator[None]:
    """Let this install sell through these gateways, and through no other."""
    monkeypatch.setattr(registry, "configured", lambda: {gateway.name: gateway for gateway in gateways})
    headers.policy.cache_clear()
    yield
    headers.policy.cache_clear()
