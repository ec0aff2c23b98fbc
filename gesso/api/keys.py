"""Who asks: the bearer key's person and workspace. Sessions and cookies mean nothing here.

Invariant: what a key can reach is its own workspace; what it may do there is what its person's role allows now.
"""

import dataclasses

from django.http import HttpRequest
from ninja.security.http import HttpAuthBase

from gesso.accounts import api_keys, workspaces
from gesso.accounts.models import Membership, User, Workspace
from gesso.api.refusals import Refusal


@dataclasses.dataclass(frozen=True)
class Caller:
    """The person, workspace and role of an active key; `secret` is kept to look again while a stream lasts."""

    workspace: Workspace
    user: User
    membership: Membership
    secret: str = dataclasses.field(repr=False)

    def must(self, deed: workspaces.Deed) -> None:
        """Refuse what the person's role in the workspace doesn't allow."""
        if not workspaces.can(self.membership, deed):
            raise Refusal(403, "not_allowed", "The role of this key's person in the workspace doesn't allow this.")


class Request(HttpRequest):
    """A request that a key has opened, as views of the native API see it."""

    auth: Caller


class ApiKey(HttpAuthBase):
    """The native API's authentication, as django-ninja and the OpenAPI document know it."""

    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Caller:
        """Return the caller or refuse with 401."""
        return caller(request)


def caller(request: HttpRequest) -> Caller:
    """Return who asks. Unknown, revoked, malformed and missing keys get the same 401."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    found = api_keys.find(secret.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        words = "This needs an active API key: send the header Authorization: Bearer gsk_..."
        raise Refusal(401, "invalid_api_key", words)
    return Caller(found.workspace, found.user, found.membership, secret.strip())


def still_valid(known: Caller) -> bool:
    """Return whether the caller's key still opens the same workspace."""
    found = api_keys.find(known.secret)
    return found is not None and found.workspace.pk == known.workspace.pk
