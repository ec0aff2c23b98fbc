"""Whether what a gateway reports is borne out by our own rows: the order, its gateway, mode, customer, item and price.

Invariant: nothing here moves credits or writes a receipt; what is not borne out raises `NotOurs`, and whoever asked
notes it for staff.
"""

from gesso.billing.gateways import protocol
from gesso.billing.models import Customer, Order, Payment
from gesso.core import currencies, ids

LONGEST_ID = 100  # of a gateway's ids: they are part of a grant's reference


class NotOurs(Exception):
    """A state that our rows don't bear out: `code` and a sentence for staff."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def order(gateway: str, number: str, subscription: str) -> Order | None:
    """Return the order that a state belongs to, locked: everything about one order happens one after the other."""
    rows = Order.objects.select_for_update(no_key=True, of=("self",))
    if order_id := ids.parse(number):
        return rows.filter(id=order_id).first()
    return (
        rows.filter(subscription__gateway=gateway, subscription__external_id=subscription).first()
        if subscription
        else None
    )


def payment(gateway: str, ours: Order, state: protocol.PaymentState) -> None:
    """Compare what was paid with what was asked. Raises NotOurs."""
    same(gateway, ours, state)
    if len(state.id) > LONGEST_ID or len(state.subscription) > LONGEST_ID:
        raise NotOurs("strange_id", "The gateway's id is too long to be one.")
    if state.currency != ours.currency:
        raise NotOurs("other_currency", f"Paid in {state.currency}, asked in {ours.currency}.")
    if state.amount < 0:
        raise NotOurs("other_amount", f"A payment of {currencies.paid(state.amount, state.currency)} is none.")
    if state.reason in {"pack", "first"}:
        kind = Order.Kind.PACK if state.reason == "pack" else Order.Kind.PLAN
        if (kind, state.item) != (ours.kind, ours.item):
            raise NotOurs("other_item", f"Paid for {state.item or 'nothing known'}, asked for {ours.item}.")
        if state.amount != ours.amount:
            paid, asked = (currencies.paid(amount, ours.currency) for amount in (state.amount, ours.amount))
            raise NotOurs("other_amount", f"Paid {paid}, asked {asked}.")
        if Payment.objects.filter(order=ours, reason__in=["pack", "first"]).exists():
            raise NotOurs("paid_twice", "The order has been paid before; this payment should go back.")
    elif ours.kind != Order.Kind.PLAN:
        raise NotOurs("other_item", "A month of a plan was paid on an order for a pack.")


def same(gateway: str, ours: Order, state: protocol.PaymentState | protocol.SubscriptionState) -> None:
    """The gateway, the mode and the customer must be those of the order; a new customer is noted. Raises NotOurs."""
    if gateway != ours.gateway:
        raise NotOurs("other_gateway", f"The order was made for {ours.gateway}, and {gateway} reports about it.")
    if state.live != ours.live:
        raise NotOurs("other_mode", f"The order is {'live' if ours.live else 'a test'}, the report is not.")
    if not state.customer:
        return
    customer = Customer.objects.filter(gateway=gateway, live=ours.live, external_id=state.customer).first()
    if customer and customer.workspace_id != ours.workspace_id:
        raise NotOurs("other_workspace", "The customer who paid belongs to another workspace than the order.")
    if customer is None:
        Customer.objects.get_or_create(
            workspace_id=ours.workspace_id, gateway=gateway, live=ours.live, defaults={"external_id": state.customer}
        )
