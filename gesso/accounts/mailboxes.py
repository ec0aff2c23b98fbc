"""Mailboxes: which addresses of mail reach the same person, and which domains nobody joins with.

What does not belong: proving an address (`workspaces`), sending mail (`mail`).
"""

import uuid

from allauth.account.models import EmailAddress

from gesso.accounts.models import User

DOTLESS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}  # their mailboxes ignore dots


def same(email: str) -> str:
    """Return one spelling for all addresses of a mailbox: lower case, nothing after a plus, dots as they count."""
    name, _, domain = email.strip().lower().rpartition("@")
    name = name.partition("+")[0] or name
    if domain in DOTLESS:
        name, domain = name.replace(".", "") or name, DOTLESS[domain]
    return f"{name}@{domain}"


def of(workspace_id: uuid.UUID) -> str:
    """Return the mailbox of a personal workspace's active person, empty while no address of theirs is proved."""
    proved = EmailAddress.objects.filter(user__personal_workspace=workspace_id, user__is_active=True, verified=True)
    email = proved.order_by("-primary", "id").values_list("email", flat=True).first()
    return same(email) if email else ""


def belongs(user: User, email: str) -> bool:
    """Return whether this is an address of the account now: a code mailed before a change may come after it."""
    now = User.objects.values_list("email", flat=True).get(pk=user.pk)
    return now.lower() == email.lower() or EmailAddress.objects.filter(user=user, email__iexact=email).exists()


def is_blocked(email: str, domains: tuple[str, ...]) -> bool:
    """Return whether the address is of one of these domains, or of one below them."""
    domain = email.strip().lower().rpartition("@")[2].rstrip(".")
    return any(domain == blocked or domain.endswith(f".{blocked}") for blocked in domains)
