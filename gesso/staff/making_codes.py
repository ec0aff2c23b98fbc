"""The forms by which staff make a code and end one: what may be entered, with a reason, and what the history says.

Invariant: one form makes at most one code, however often it is sent: the form's number is the code's.
"""

import datetime
import uuid
import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db import transaction

from gesso.accounts.models import User
from gesso.core import clock
from gesso.credits import codes, promo
from gesso.credits.models import PromoCode


class CodeForm(forms.Form):
    """What a code gives, how often and how long; `once` tells one opening of the form from the next."""

    kind = forms.ChoiceField(
        choices=PromoCode.Kind.choices,
        help_text="A promo gives credits to a workspace; with an invitation somebody makes an account.",
    )
    word = forms.CharField(
        label="Code",
        required=False,
        max_length=48,
        help_text=f"At least {codes.SHORTEST} letters and digits, such as SPRING-25. Empty: one that nobody guesses.",
    )
    amount = forms.IntegerField(
        label="Credits", min_value=0, max_value=promo.LARGEST,
        help_text="For each use. An invitation gives them when the address is proved; 0 for none.",
    )  # fmt: skip
    uses_most = forms.IntegerField(label="Uses", min_value=1, max_value=promo.USES_MOST, help_text="At most.")
    last_day = forms.DateField(
        label="Last day", required=False, widget=forms.DateInput(attrs={"type": "date"}),
        help_text="On which the code works. Empty: until it is used up or ended.",
    )  # fmt: skip
    credits_days = forms.IntegerField(
        label="Days the credits last", required=False, min_value=1, max_value=promo.LIFE_MOST,
        help_text=f"Empty: {promo.CREDITS_DAYS}.",
    )  # fmt: skip
    for_new_only = forms.BooleanField(
        label="New workspaces only", required=False, help_text="Those without purchases or codes so far."
    )
    note = forms.CharField(label="Reason", max_length=200, help_text="Kept with your email. People don't see it.")
    once = forms.UUIDField(widget=forms.HiddenInput)

    def clean_last_day(self) -> datetime.date | None:
        """Refuse a day that is so far off that nobody meant it."""
        day: datetime.date | None = self.cleaned_data["last_day"]
        if day and abs(day - clock.day_of(clock.now())) > datetime.timedelta(days=promo.LIFE_MOST):
            raise forms.ValidationError("Choose a day within ten years.")
        return day


class EndForm(forms.Form):
    """Why a code ends."""

    reason = forms.CharField(max_length=200, help_text="Kept with your email. People don't see it.")


@transaction.atomic
def make(staff: User, entered: dict[str, Any]) -> tuple[PromoCode, bool]:
    """Make the code of a checked form; returns it, and whether it is new. Raises promo.BadCode."""
    if known := PromoCode.objects.filter(pk=entered["once"]).first():
        return known, False
    try:
        made = promo.make(
            kind=entered["kind"], amount=entered["amount"], uses_most=entered["uses_most"], word=entered["word"],
            expires_at=_end_of(entered["last_day"]), credits_days=entered["credits_days"],
            for_new_only=entered["for_new_only"], note=entered["note"], made_by=staff, code_id=entered["once"],
        )  # fmt: skip
    except promo.BadCode:
        if same := PromoCode.objects.filter(pk=entered["once"]).first():  # sent twice in the same moment
            return same, False
        raise
    _note(staff, made, ADDITION, f"Made for {made.uses_most} uses of {made.credits} credits: {made.note}")
    return made, True


@transaction.atomic
def end(staff: User, code: PromoCode, reason: str) -> bool:
    """End a code; returns whether it had not been ended before."""
    if not promo.end(code.pk):
        return False
    _note(staff, code, CHANGE, f"Ended: {reason}")
    return True


def number() -> uuid.UUID:
    """Return the number of a form that is about to be shown."""
    return uuid.uuid4()


def _end_of(day: datetime.date | None) -> datetime.datetime | None:
    """Return the midnight that ends a day of this install."""
    if day is None:
        return None
    noon = datetime.datetime.combine(day, datetime.time(12), tzinfo=zoneinfo.ZoneInfo(settings.TIME_ZONE))
    return clock.end_of_day(noon)


def _note(staff: User, code: PromoCode, flag: int, words: str) -> None:
    LogEntry.objects.log_actions(staff.pk, [code], flag, words, single_object=True)
