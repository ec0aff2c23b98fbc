"""What every form of a team's pages does alike: act, and say how it went on the page that follows.

Invariant: a refusal of the rules is a sentence, a missing role 403, what is not there (or another team's) 404.
"""

from collections.abc import Callable
from typing import TypeVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404

from gesso.accounts import invitations, team_invitations, teams
from gesso.accounts.models import Workspace
from gesso.web import access

T = TypeVar("T")


def attempt(request: access.Request, deed: Callable[[], T], done: str = "") -> T | None:
    """Do it and say `done`; return what it returned, or None when it was refused (the page says why)."""
    try:
        result = deed()
    except teams.NotAllowed as problem:
        raise PermissionDenied from problem
    except (teams.NoSuchMember, team_invitations.NoSuchInvitation):
        raise Http404 from None
    except (teams.Refused, invitations.BadInvitation) as refused:
        messages.error(request, str(refused))
        return None
    if done:
        messages.success(request, done)
    return result


def require_team(request: access.Request) -> None:
    """Raise 404 in a personal workspace: it has no members."""
    if request.workspace.kind != Workspace.Kind.TEAM:
        raise Http404


def credits_or_none(text: str) -> int | None:
    """Return the number of credits in a form's field, None for an empty one. Raises teams.Refused."""
    text = text.replace(",", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise teams.Refused("Write a number of credits, such as 200, or nothing for no limit.")
    return int(text)
