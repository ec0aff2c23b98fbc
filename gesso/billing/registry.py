"""Which gateways this install takes money through, made once for each process."""

import functools

from django.conf import settings

from gesso.billing import creem_book, test_shelf
from gesso.billing.gateways import creem, protocol, testing
from gesso.core import catalog, env

TEST = "test"


@functools.cache
def configured() -> dict[str, protocol.Gateway]:
    """Return the gateways that can be bought through, by name, the default first; none: credits are not sold here."""
    found: dict[str, protocol.Gateway] = {}
    if keys := settings.GESSO.stripe:
        from gesso.billing.gateways import stripe  # its client takes a quarter of a second to load

        found[stripe.Stripe.name] = stripe.Stripe(keys.api_key, keys.webhook_secret, keys.base_url)
    if keys := settings.GESSO.creem:
        found[creem_book.GATEWAY] = _creem(keys)
    if not found and _test_checkout():
        found[TEST] = test_gateway()
    return found


def find(name: str) -> protocol.Gateway:
    """Return the gateway that an order was made with. Raises protocol.Refused when it is not configured any more."""
    till = configured().get(name) or (test_gateway() if name == TEST else None)
    if till is None:
        raise protocol.Refused(f"{name} is not configured here any more.")
    return till


def _creem(keys: env.GatewayKeys) -> creem.Creem:
    table = catalog.current()
    products = {row.creem_product: row.id for row in table.packs} | {row.creem_product: row.id for row in table.plans}
    return creem.Creem(keys.api_key, keys.webhook_secret, keys.base_url, products=products, book=creem_book.Book())


def _test_checkout() -> bool:
    """It gives credits for nothing, so on its own it is only there while credits cost nobody anything."""
    use = catalog.current().billing.test_checkout
    only_sandbox = all(model.provider == "sandbox" for model in catalog.usable_models())
    return use == "on" or (use == "auto" and only_sandbox)


@functools.cache
def test_gateway() -> testing.Testing:
    """Return the test checkout's gateway, whether or not it is switched on."""
    return testing.Testing(test_shelf.Shelf(), settings.GESSO.base_url)
