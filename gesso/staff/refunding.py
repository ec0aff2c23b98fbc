"""Sending money back for staff: once for each form however often it is sent, with a reason and a name.

Invariant: the gateway is asked outside any transaction, and our rows follow what it reports then. The form's own number
is the gateway's key, so a press that nobody knows the end of may be made again.
"""

import uuid
from typing import Any

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from gesso.accounts.models import User
from gesso.billing import subscriptions
from gesso.billing.gateways import protocol
from gesso.billing.models import Payment
from gesso.core import currencies


class NotSent(Exception):
    """The gateway did not send the money; the message is a sentence for staff."""


def figure(amount: int, currency: str) -> str:
    """Return `8.00`, or `500` where the currency has no smaller unit."""
    digits = currencies.DIGITS.get(currency, 2)
    whole, rest = divmod(amount, 10**digits)
    return f"{whole}.{rest:0{digits}}" if digits else str(whole)


def money(amount: int, currency: str) -> str:
    """Return `8.00 USD`; `amount` is in the smallest unit."""
    return f"{figure(amount, currency)} {currency.upper()}"


class RefundForm(forms.Form):
    """How much and why; `once` tells one opening of the form from the next. The cleaned amount is in smallest units."""

    amount = forms.DecimalField(max_digits=12, label="Amount")
    reason = forms.CharField(max_length=200, label="Reason", help_text="Kept with your email in the payment's history.")
    once = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, payment: Payment, **words: Any) -> None:
        super().__init__(*args, **words)
        self._payment = payment
        self.fields["amount"].help_text = f"In {payment.currency.upper()}. Tax goes back in its measure."

    def clean_amount(self) -> int:
        """Return the amount in the smallest unit; it must be whole and no more than is left."""
        payment = self._payment
        amount = self.cleaned_data["amount"].scaleb(currencies.DIGITS.get(payment.currency, 2))
        if amount != int(amount):
            raise forms.ValidationError("There is no smaller coin.", code="fraction")
        left = payment.amount - payment.refunded
        if not 1 <= amount <= left and not self._sent_before():
            said = f"Between {figure(1, payment.currency)} and {money(left, payment.currency)} can go back."
            raise forms.ValidationError(said, code="bounds")
        return int(amount)

    def _sent_before(self) -> bool:
        """A form that is sent again is told so, not that too little is left."""
        return _logged(self._payment, self.data.get("once", ""))


def facts(payment: Payment) -> str:
    """Return what was paid and what is left of it."""
    left = money(payment.amount - payment.refunded, payment.currency)
    credits_ = f"{payment.credits:,} credits, {payment.claimed:,} of them claimed back"
    return f"{payment.name}: paid {money(payment.amount, payment.currency)}, {left} is left. It brought {credits_}."


def consequence(payment: Payment, amount: int) -> str:
    """Return what sending `amount` back will do."""
    after = payment.credits * min(payment.refunded + amount, payment.amount) // payment.amount if payment.amount else 0
    more = max(after - payment.claimed, 0)
    owed = "What has been spent of them will be owed." if more else "No credits are taken."
    return (
        f"{money(amount, payment.currency)} go back through {payment.gateway}. {more:,} credits are taken back. {owed}"
    )


def send_back(payment: Payment, staff: User, *, amount: int, reason: str, once: uuid.UUID) -> str:
    """Send `amount` of the payment back and return the sentence that says so; the same `once` again does nothing.

    Raises NotSent.
    """
    words = money(amount, payment.currency)
    if _logged(payment, str(once)):
        return f"{words} had been sent back already; nothing was sent twice."
    try:
        after = subscriptions.refund(payment, amount, f"staff:{once}")
    except protocol.Refused as problem:
        raise NotSent(f"The gateway refused: {problem}") from problem
    except protocol.Unavailable as problem:
        raise NotSent(f"The gateway did not answer ({problem}). Press again: nothing is sent twice.") from problem
    with transaction.atomic():
        Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
        if not _logged(payment, str(once)):
            said = f"Refunded {words}: {reason} ({once})"
            LogEntry.objects.log_actions(staff.pk, [payment], CHANGE, said, single_object=True)
    left = money(after.amount - after.refunded, after.currency)
    return f"{words} sent back. {left} is left, {after.claimed:,} credits were claimed back."


def _logged(payment: Payment, once: str) -> bool:
    return LogEntry.objects.filter(
        content_type__app_label="billing", content_type__model="payment", object_id=str(payment.pk),
        change_message__endswith=f" ({once})",
    ).exists()  # fmt: skip
