"""The sign-up form: allauth's, with the field for an invitation code where registration is by invitation.

Invariant: there, an account and the place of its code are made in one transaction, or neither is. Who was invited to a
team needs no code, but the address that was invited.
"""

from typing import Any

from allauth.account.forms import SignupForm
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from gesso.accounts.models import User
from gesso.credits import codes, invites
from gesso.credits.models import PromoCode
from gesso.web.account import new_passwords
from gesso.web.team import joining


class SignUpForm(new_passwords.ShortRule, SignupForm):  # type: ignore[misc]  # allauth has no types
    """Address, password and, by invitation, the code; `?code=` fills it in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invited_by: PromoCode | None = None
        self.invited_address = joining.invited_address(context.request)
        if self.invited_address:
            self.fields["email"].initial = self.invited_address
        elif settings.GESSO.registration != "open":
            self.fields["code"] = forms.CharField(
                label="Invitation code",
                max_length=80,
                initial=context.request.GET.get("code", "")[:80],
                help_text="From whoever invited you. Spaces, dashes and capitals don't matter.",
                widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
            )

    def clean_email(self) -> str:
        """Refuse another address than the one that was invited to a team, where that alone opens the door."""
        email: str = super().clean_email()
        if settings.GESSO.registration == "invite" and self.invited_address not in {"", email.lower()}:
            raise forms.ValidationError(f"The invitation is for {self.invited_address}.", code="not_invited")
        return email

    def clean(self) -> dict[str, Any]:
        """Look for the code once everything else is right, so that a forgotten password tries no code."""
        cleaned: dict[str, Any] = super().clean()
        if "code" in self.fields and not self.errors:
            try:
                self.invited_by = invites.find(self.cleaned_data["code"])
            except codes.CodeRefused as refused:
                self.add_error("code", forms.ValidationError(str(refused), code=refused.code))
        return cleaned

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Make the account, unless somebody took the code's last place in the same moment."""
        try:
            with transaction.atomic():
                made: tuple[User | None, HttpResponse | None] = super().try_save(request)
        except codes.CodeRefused as refused:
            messages.error(request, str(refused))
            return None, redirect("account_signup")
        return made

    def signup(self, request: HttpRequest, user: User) -> None:  # noqa: ARG002 (allauth's signature)
        """Reserve the code's place for the account that was made."""
        if "code" in self.fields:
            assert self.invited_by is not None, "an account without an invitation"
            invites.reserve(self.invited_by, user)
