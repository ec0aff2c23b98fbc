"""API keys: gsk_ and 256 random bits, shown once, kept as SHA-256, one workspace each. Revoking works at once."""

import datetime
import hashlib
import secrets

from django.db.models import F, Q

from gesso.accounts.models import ApiKey, User, Workspace
from gesso.core import clock

PREFIX = "gsk_"
LENGTH = len(PREFIX) + 43
TOUCH_SECONDS = 60


def create(workspace: Workspace, user: User, name: str) -> tuple[ApiKey, str]:
    """Return a new key of the workspace and its secret, which can't be read again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        workspace=workspace, user=user, name=name[:60] or "API key", prefix=secret[:12], last4=secret[-4:],
        digest=_digest(secret),
    )  # fmt: skip
    return key, secret


def find(secret: str) -> ApiKey | None:
    """Return the active key with this secret, or None: the same work and answer for unknown, revoked and malformed.

    The look-up is by the SHA-256 of 256 random bits, so its timing tells nothing about other keys. A key is dead
    with its person's account. `last_used_at` moves at most once a minute.
    """
    key = (
        ApiKey.objects.select_related("workspace", "user")
        .filter(digest=_digest(secret), revoked_at=None, user__is_active=True)
        .filter(user__memberships__workspace=F("workspace"))
        .first()
    )
    if key is not None:
        now = clock.now()
        if key.last_used_at is None or now - key.last_used_at > datetime.timedelta(seconds=TOUCH_SECONDS):
            stale = Q(last_used_at=None) | Q(last_used_at__lt=now - datetime.timedelta(seconds=TOUCH_SECONDS))
            ApiKey.objects.filter(stale, id=key.id).update(last_used_at=now)
    return key


def revoke(workspace: Workspace, key_id: int) -> bool:
    """Revoke a key of the workspace; returns whether there was one to revoke."""
    return bool(ApiKey.objects.filter(workspace=workspace, id=key_id, revoked_at=None).update(revoked_at=clock.now()))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
