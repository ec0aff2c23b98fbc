"""Credits from staff, with a reason: the form, and the one transaction that grants once however often it is sent.

Invariant: one form grants at most once. Its number goes into the grant's reference, which the ledger takes once only.
"""

import uuid

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from gesso.accounts.models import User, Workspace
from gesso.credits import ledger
from gesso.credits.models import CreditGrant

LARGEST = 1_000_000  # credits in one grant by staff
ACTOR_CHARACTERS = 120


class UsedBefore(Exception):
    """The form granted other credits before: it was changed and sent again."""


class GrantForm(forms.Form):
    """How many credits, and why; `once` tells one opening of the form from the next."""

    amount = forms.IntegerField(min_value=1, max_value=LARGEST, label="Credits")
    reason = forms.CharField(
        max_length=200, label="Reason", help_text="Shown in the workspace's statement, and kept with your email."
    )
    once = forms.UUIDField(widget=forms.HiddenInput)


@transaction.atomic
def give(workspace: Workspace, staff: User, *, amount: int, reason: str, once: uuid.UUID) -> bool:
    """Grant `amount` credits that don't expire; return whether they are new (False: this form had granted them).

    Raises UsedBefore when the same form granted another amount.
    """
    # Two sends at once stand in line here. NO KEY: the ledger's rows point here and must not wait for this lock.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    reference = f"staff:{workspace.pk}:{once}"
    known = CreditGrant.objects.filter(reference=reference).first()
    if known is not None:
        if known.amount != amount:
            raise UsedBefore(f"This form has granted {known.amount} credits. Open it again to grant more.")
        return False
    actor = staff.email[:ACTOR_CHARACTERS]
    ledger.grant(workspace.pk, source="staff", amount=amount, reference=reference, actor=actor, reason=reason)
    LogEntry.objects.log_actions(
        staff.pk, [workspace], CHANGE, f"Granted {amount} credits: {reason}", single_object=True
    )
    return True
