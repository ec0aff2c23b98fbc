"""API keys: gsk_ and 256 random bits, shown once, kept as SHA-256, one workspace each. Revoking works at once."""

import dataclasses
import hashlib
import secrets

from django.db import connection

from gesso.accounts.models import ApiKey, Membership, User, Workspace
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


_FIND = """
SELECT key.id, key.last_used_at IS NULL OR key.last_used_at < now() - %s * interval '1 second' AS stale,
       workspace.id, workspace.name, workspace.kind, workspace.suspended_at, workspace.approval_above,
       person.id, person.email, person.name, member.id, member.role
FROM accounts_apikey AS key
JOIN accounts_workspace AS workspace ON workspace.id = key.workspace_id
JOIN accounts_user AS person ON person.id = key.user_id AND person.is_active
JOIN accounts_membership AS member ON member.workspace_id = workspace.id AND member.user_id = person.id
WHERE key.digest = %s AND key.revoked_at IS NULL
"""


@dataclasses.dataclass(frozen=True)
class Known:
    """An active key: its number, its workspace, its person, and the role that they have there now."""

    id: int
    workspace: Workspace
    user: User
    membership: Membership


def find(secret: str) -> Known | None:
    """Return the active key with this secret, or None: the same work and answer for unknown, revoked and malformed.

    The look-up is by the SHA-256 of 256 random bits, so its timing tells nothing about other keys. A key is dead
    with its person's account, and with their membership. `last_used_at` moves at most once a minute.
    One plain statement: every call of the API begins here.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [TOUCH_SECONDS, _digest(secret)])
        row = cursor.fetchone()
        if row is None:
            return None
        if row[1]:
            cursor.execute("UPDATE accounts_apikey SET last_used_at = now() WHERE id = %s", [row[0]])
    workspace = Workspace.from_db("default", ("id", "name", "kind", "suspended_at", "approval_above"), row[2:7])
    user = User.from_db("default", ("id", "email", "name"), row[7:10])
    membership = Membership.from_db(
        "default", ("id", "workspace_id", "user_id", "role"), (row[10], workspace.id, user.id, row[11])
    )
    membership.workspace, membership.user = workspace, user
    return Known(row[0], workspace, user, membership)


def revoke(workspace: Workspace, key_id: int) -> bool:
    """Revoke a key of the workspace; returns whether there was one to revoke."""
    return bool(ApiKey.objects.filter(workspace=workspace, id=key_id, revoked_at=None).update(revoked_at=clock.now()))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
