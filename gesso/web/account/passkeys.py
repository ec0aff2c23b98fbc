"""The forms that take a passkey: allauth's, where what is no passkey is a mistake in the form.

allauth and its library expect what a browser makes. Anything else breaks them in many ways, and anybody may send it.
"""

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

import structlog
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as theirs
from django import forms
from django.forms.fields import InvalidJSONInput

log = structlog.get_logger()

UNREADABLE = "This passkey could not be read. Please try again."
_BREAKS = (
    ArithmeticError, AttributeError, LookupError, NotImplementedError, RecursionError, TypeError, ValueError,
    struct.error,
)  # fmt: skip


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except _BREAKS as problem:
        log.warning("a passkey could not be read", reason=repr(problem))
        raise forms.ValidationError(UNREADABLE, code="unreadable") from None


class Credential(forms.JSONField):
    """What the browser says about a passkey, as JSON."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        """Parse what a browser may have written: it escapes only what Postgres could not keep either."""
        if isinstance(value, str) and "\\u" in value:
            raise forms.ValidationError(UNREADABLE, code="unreadable")
        with _reading():
            return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:  # noqa: ARG002 (Django's signature)
        """Return what was sent as it was sent, for the form to be drawn again: it may not be JSON at all."""
        return None if data is None else InvalidJSONInput(data)


class SecondFactor(theirs.AuthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Asked for after a password."""

    credential = Credential()

    def clean_credential(self) -> Authenticator:
        """Find the passkey that was used."""
        with _reading():
            return super().clean_credential()


class SignIn(SecondFactor, theirs.LoginWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Asked for instead of a password."""


class Reauthentication(SecondFactor, theirs.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """Asked for before something of weight."""


class Addition(theirs.AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A passkey that is new. Unless told otherwise it is one for the sign-in page."""

    credential = Credential()
    passwordless = forms.BooleanField(label="Sign in with it, without a password", required=False, initial=True)

    def clean(self) -> dict[str, Any]:
        """Prove that it is one."""
        with _reading():
            cleaned: dict[str, Any] = super().clean()
        return cleaned
