"""What our rows say about dealings with Creem, for its adapter, which knows no tables."""

import datetime
from collections.abc import Iterable

from gesso.billing.gateways.creem_changes import Known
from gesso.billing.models import Order, Payment, Subscription

GATEWAY = "creem"


class Book:
    """Reads orders, payments and subscriptions; writes nothing."""

    def payment(self, number: str) -> Known | None:
        """Return the payment of this id at Creem, or None."""
        row = Payment.objects.filter(gateway=GATEWAY, external_id=number).select_related("order").first()
        return Known(row.order.checkout_id, row.refunded, row.dispute) if row else None

    def plan(self, number: str) -> tuple[str, datetime.datetime | None, bool] | None:
        """Return how our row of the subscription stands, or None."""
        row = Subscription.objects.filter(gateway=GATEWAY, external_id=number).first()
        return (row.state, row.period_end, row.cancels_at_period_end) if row else None

    def unpaid_checkouts(self, moment: datetime.datetime) -> Iterable[str]:
        """Return the checkouts of orders made since `moment` that are not paid; a failed one may still be."""
        rows = Order.objects.filter(gateway=GATEWAY, created_at__gte=moment).exclude(state=Order.State.PAID)
        return list(rows.exclude(checkout_id="").order_by("id").values_list("checkout_id", flat=True))
