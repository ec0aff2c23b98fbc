"""allauth's forms that ask for a new password, with the one rule worth knowing beforehand in place of all of them.

What else a password may not be is said to whoever chooses such a one.
"""

from typing import Any

from allauth.account import forms
from allauth.account.internal.flows.password_reset_by_code import PASSWORD_RESET_VERIFICATION_SESSION_KEY
from allauth.core import context
from django.core.exceptions import ValidationError

from gesso.accounts import mailboxes, passwords


class ShortRule:
    """A form whose new password says one short sentence; Django lists every rule, in the words of a contract."""

    fields: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "password1" in self.fields:
            self.fields["password1"].help_text = passwords.RULE


class ChangePasswordForm(ShortRule, forms.ChangePasswordForm):  # type: ignore[misc]  # allauth has no types
    """Another password."""


class SetPasswordForm(ShortRule, forms.SetPasswordForm):  # type: ignore[misc]  # allauth has no types
    """The first password of an account that has none."""


class ResetPasswordKeyForm(ShortRule, forms.ResetPasswordKeyForm):  # type: ignore[misc]  # allauth has no types
    """A password in place of a forgotten one, for whoever reads an address that is still the account's."""

    def clean(self) -> Any:
        """Refuse who asked by an address that was changed since."""
        asked = context.request.session.get(PASSWORD_RESET_VERIFICATION_SESSION_KEY) or {}
        if asked.get("email") and not mailboxes.belongs(self.user, asked["email"]):
            raise ValidationError("The address of this account has changed since. Ask for another code.")
        return super().clean()
