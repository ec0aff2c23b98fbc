"""/team: who is in the team, what each spent this month, who is invited, and the team's own settings.

A member sees everybody, but only their own spending. What is done to one member is on that member's page (`member`).
"""

import dataclasses

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from gesso.accounts import team_invitations, teams, workspaces
from gesso.accounts.models import Membership, Workspace
from gesso.generations import member_caps
from gesso.web import access, wording
from gesso.web.team import doing, invite_form, spending

ROLES = {"owner": "Owner", "admin": "Admin", "member": "Member", "viewer": "Viewer"}
MAY = {
    "owner": "You own this team.",
    "admin": "You are an admin: you look after people, allowances and approvals.",
    "member": "You are a member: you generate from the shared credits.",
    "viewer": "You are a viewer: you look, and generate nothing.",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One member as the list shows them; `spent` is empty where it is not for these eyes."""

    name: str
    email: str
    role: str
    tone: str
    spent: str
    url: str
    you: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """One open invitation."""

    id: int
    email: str
    role: str
    ends: str


@never_cache
@require_GET
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """The team, or the way to one."""
    if request.workspace.kind != Workspace.Kind.TEAM:
        return redirect("team-new")
    return show(request)


def show(
    request: access.Request, *, form: invite_form.InviteForm | None = None, link: str = "", status: int = 200
) -> HttpResponse:
    """Draw the team's page; `link` is an invitation's, shown this once."""
    ours, team = request.membership, request.workspace
    may_manage = workspaces.can(ours, "manage")
    people = _people(ours, may_manage=may_manage)
    context = {
        "team": team,
        "you": MAY[ours.role],
        "people": people,
        "count": wording.plural(len(people), "member"),
        "most": str(team.members_most or ""),
        "may_manage": may_manage,
        "may_leave": ours.role != Membership.Role.OWNER,
        "invited": _invited(team) if may_manage else [],
        "form": form or invite_form.InviteForm(),
        "link": link,
        "mailed": bool(link) and invite_form.mails(),
        "limit": "" if team.approval_above is None else str(team.approval_above),
        "name_most": str(teams.NAME_MOST),
        "days": str(team_invitations.DAYS),
    }
    return render(request, "team/page.html", context, status=status)


def _people(ours: Membership, *, may_manage: bool) -> list[Person]:
    spent = member_caps.spent_by_all(ours.workspace)
    order = list(ROLES)
    rows = Membership.objects.select_related("user").filter(workspace_id=ours.workspace_id)
    return [
        Person(
            name=row.user.name or row.user.email.partition("@")[0], email=row.user.email, role=ROLES[row.role],
            tone="blue" if workspaces.can(row, "manage") else "", you=row.id == ours.id,
            url=f"/team/members/{row.id}" if may_manage else "",
            spent=spending.month(spent.get(row.user_id, 0), row.monthly_cap) if may_manage or row.id == ours.id else "",
        )
        for row in sorted(rows, key=lambda row: (order.index(row.role), row.user.email))
    ]  # fmt: skip


def _invited(team: Workspace) -> list[Invited]:
    now = timezone.now()
    return [
        Invited(
            id=row.id, email=row.email, role=ROLES[row.role],
            ends="Ended" if row.expires_at <= now else wording.moment(row.expires_at, now).words,
        )
        for row in team_invitations.open_of(team)
    ]  # fmt: skip


@require_POST
@access.signed_in
def rename(request: access.Request) -> HttpResponse:
    """Give the team another name."""
    doing.require_team(request)
    name = request.POST.get("name", "")
    doing.attempt(request, lambda: teams.rename(request.membership, name), "The name was saved.")
    return redirect("team")


@require_POST
@access.signed_in
def limit(request: access.Request) -> HttpResponse:
    """Set above how many credits a member's request waits for an admin."""
    doing.require_team(request)
    doing.attempt(
        request,
        lambda: teams.ask_above(request.membership, doing.credits_or_none(request.POST.get("limit", ""))),
        "The limit was saved.",
    )
    return redirect("team")


@require_POST
@access.signed_in
def leave(request: access.Request) -> HttpResponse:
    """Leave the team, and stand in one's own workspace again."""
    doing.require_team(request)
    words = f"You left {request.workspace.name}."
    if not doing.attempt(request, lambda: _left(request.membership), words):
        return redirect("team")
    request.session.pop(access.CHOSEN, None)
    return redirect("settings")


def _left(ours: Membership) -> bool:
    teams.leave(ours)
    return True
