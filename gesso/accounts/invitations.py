"""Inviting a person: the account is made, and a one-time link signs them in and proves their address."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db import IntegrityError, transaction

from gesso.accounts import sign_in_links, workspaces
from gesso.accounts.models import User

LONGEST = 254  # characters of an address (RFC 5321)


class BadInvitation(Exception):
    """The person can't be invited; the message says why."""


def invite(email: str) -> str:
    """Make a person with that address and return their one-time link. Raises BadInvitation.

    Somebody who has an account already is refused: a link would let whoever invites sign in as them.
    """
    email = email.strip()
    check(email)
    try:
        with transaction.atomic():
            user = User.objects.create_user(email)
    except IntegrityError:
        raise BadInvitation(f"{email} has an account here already.") from None
    workspaces.open_personal(user)
    return sign_in_links.create(user)


def check(email: str) -> None:
    """Raise BadInvitation for what is no email address, or is longer than one may be."""
    try:
        validate_email(email)
        MaxLengthValidator(LONGEST)(email)
    except ValidationError:
        raise BadInvitation("Write an email address such as ada@example.com.") from None
