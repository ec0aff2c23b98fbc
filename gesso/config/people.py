"""`gesso user add`, `gesso grant`, `gesso key create`: what an operator does for a person, from the command line.

Each prints its one result on standard output and nothing else. Runs with Django set up and the database at hand.
"""

import uuid

from django.db import IntegrityError, transaction

from gesso.accounts import api_keys, invitations, sign_in_links, workspaces
from gesso.accounts.models import User
from gesso.config.refusal import Refused
from gesso.credits import allowances, ledger, queries


def add(email: str, *, staff: bool, owner: bool) -> str:
    """Make the person if there is none, give them the roles asked for, and return a one-time sign-in link."""
    try:
        invitations.check(email)
    except invitations.BadInvitation:
        raise Refused(f"{email!r} is not an email address.") from None
    with transaction.atomic():
        user = User.objects.filter(email__iexact=email).first() or User.objects.create_user(email)
        if not user.is_active:
            raise Refused(f"{email} belongs to a closed account.")
        workspace = workspaces.open_personal(user)
        if owner and not user.is_owner:
            user.is_owner = True
            allowances.welcome(workspace)
        if staff or owner:
            user.is_staff = user.is_superuser = True
        try:
            with transaction.atomic():
                user.save(update_fields=["is_owner", "is_staff", "is_superuser"])
        except IntegrityError:
            raise Refused("This install has an owner already.") from None
        return sign_in_links.create(user)


def grant(email: str, amount: int, reason: str) -> int:
    """Grant credits to the person's personal workspace and return its new balance, in credits."""
    workspace = workspaces.open_personal(_find(email))
    ledger.grant(
        workspace.id, source="staff", amount=amount, reference=f"cli:{uuid.uuid4()}", actor="cli", reason=reason
    )
    return queries.balance(workspace.id).available


def create_key(email: str, name: str) -> str:
    """Return the secret of a new API key of the person's personal workspace."""
    user = _find(email)
    _, secret = api_keys.create(workspaces.open_personal(user), user, name)
    return secret


def _find(email: str) -> User:
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise Refused(f"Nobody here has the email {email}; `gesso user add` makes a person.")
    return user
