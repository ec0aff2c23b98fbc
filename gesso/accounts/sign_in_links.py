"""One-time links: the owner link that claims a fresh install, and links that sign one person in.

The secret has 256 bits and is kept only as its SHA-256. Looking at a link never uses it up; posting its
form does, once.
"""

import datetime
import hashlib
import secrets

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from gesso.accounts import workspaces
from gesso.accounts.models import SignInLink, User
from gesso.core import clock

SIGN_IN_DAYS = 7


class LinkUsedUp(Exception):
    """The link is unknown, expired or used; or the install has its owner already."""


class EmailTaken(Exception):
    """Somebody has an account with this email address."""


def owner_link() -> str | None:
    """Return a new one-time address that claims this install, or None once it has an owner. Older ones end."""
    if User.objects.filter(is_owner=True).exists():
        return None
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        SignInLink.objects.filter(purpose=SignInLink.Purpose.OWNER, used_at=None).delete()
        SignInLink.objects.create(digest=_digest(secret), purpose=SignInLink.Purpose.OWNER)
    return f"{settings.GESSO.base_url}/owner/{secret}"


def create(user: User) -> str:
    """Return a new one-time address that signs `user` in, good for a week."""
    secret = secrets.token_urlsafe(32)
    SignInLink.objects.create(
        digest=_digest(secret),
        purpose=SignInLink.Purpose.SIGN_IN,
        user=user,
        expires_at=clock.now() + datetime.timedelta(days=SIGN_IN_DAYS),
    )
    return f"{settings.GESSO.base_url}/sign-in/{secret}"


def find(secret: str, purpose: str) -> SignInLink | None:
    """Return the link that can still be used, or None. Changes nothing."""
    rows = SignInLink.objects.select_related("user").filter(purpose=purpose, used_at=None)
    link = rows.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()), digest=_digest(secret)).first()
    return link if link and (link.user is None or link.user.is_active) else None


@transaction.atomic
def claim_install(secret: str, email: str, password: str) -> User:
    """Make the owner of this install and use the link up.

    Raises LinkUsedUp, also when somebody else was first, and EmailTaken, after which the link can still be used.
    """
    link = _use(secret, SignInLink.Purpose.OWNER)
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, is_owner=True, is_staff=True, is_superuser=True)
    except IntegrityError:
        if User.objects.filter(is_owner=True).exists():
            raise LinkUsedUp from None
        raise EmailTaken from None
    workspaces.verify_email(user)
    workspaces.open_personal(user)
    assert link.user is None
    return user


@transaction.atomic
def sign_in(secret: str) -> User:
    """Use a sign-in link up and return its person, whose email it proves. Raises LinkUsedUp."""
    link = _use(secret, SignInLink.Purpose.SIGN_IN)
    assert link.user is not None
    workspaces.verify_email(link.user)
    workspaces.open_personal(link.user)
    return link.user


def _use(secret: str, purpose: str) -> SignInLink:
    link = find(secret, purpose)
    if link is None or not SignInLink.objects.filter(id=link.id, used_at=None).update(used_at=clock.now()):
        raise LinkUsedUp
    return link


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
