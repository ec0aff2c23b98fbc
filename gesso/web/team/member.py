"""One member of the team, for its admins: role, allowance, handing the team over, taking them out."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from gesso.accounts import team_invitations, teams, workspaces
from gesso.accounts.models import Membership
from gesso.generations import member_caps
from gesso.web import access
from gesso.web.team import doing, invite_form
from gesso.web.team.page import ROLES


@require_GET
@access.signed_in
def page(request: access.Request, member_id: int) -> HttpResponse:
    """What can be changed about one member."""
    doing.require_team(request)
    if not workspaces.can(request.membership, "manage"):
        raise PermissionDenied
    rows = Membership.objects.select_related("user", "workspace")
    found = rows.filter(workspace=request.workspace, id=member_id).first()
    if found is None:
        raise Http404
    allowance = member_caps.allowance(found)
    is_owner = found.role == Membership.Role.OWNER
    context = {
        "member": found,
        "name": found.user.name or found.user.email.partition("@")[0],
        "role": ROLES[found.role],
        "roles": [(role, invite_form.WORDS[role], role == found.role) for role in team_invitations.ROLES],
        "spent": f"{allowance.spent:,}",
        "cap": "" if found.monthly_cap is None else str(found.monthly_cap),
        "left": "" if allowance.left is None else f"{allowance.left:,}",
        "is_owner": is_owner,
        "may_hand_over": not is_owner
        and found.role != Membership.Role.VIEWER
        and workspaces.can(request.membership, "own"),
        "team_name": request.workspace.name,
    }
    return render(request, "team/member.html", context)


@require_POST
@access.signed_in
def change_role(request: access.Request, member_id: int) -> HttpResponse:
    """Make them admin, member or viewer."""
    doing.require_team(request)
    role = request.POST.get("role", "")
    doing.attempt(request, lambda: teams.change_role(request.membership, member_id, role), "The role was saved.")
    return _back(request, member_id)


@require_POST
@access.signed_in
def allow(request: access.Request, member_id: int) -> HttpResponse:
    """Set how much they may spend in a month."""
    doing.require_team(request)
    doing.attempt(
        request,
        lambda: teams.allow(request.membership, member_id, doing.credits_or_none(request.POST.get("cap", ""))),
        "The allowance was saved.",
    )
    return _back(request, member_id)


@require_POST
@access.signed_in
def remove(request: access.Request, member_id: int) -> HttpResponse:
    """Take them out of the team."""
    doing.require_team(request)
    gone = doing.attempt(request, lambda: teams.remove(request.membership, member_id))
    if gone is None:
        return _back(request, member_id)
    messages.success(request, f"{gone.user.email} is no longer in the team. Their keys for it stopped working.")
    return redirect("team")


@require_POST
@access.signed_in
def hand_over(request: access.Request, member_id: int) -> HttpResponse:
    """Make them the owner."""
    doing.require_team(request)
    typed = request.POST.get("name", "")
    made = doing.attempt(request, lambda: teams.hand_over(request.membership, member_id, typed))
    if made is None:
        return _back(request, member_id)
    messages.success(request, f"{made.user.email} owns the team now. You are an admin.")
    return redirect("team")


def _back(request: access.Request, member_id: int) -> HttpResponse:
    """Return to the member's page, or to the team's where it was one's own role that ended."""
    ours = Membership.objects.filter(id=request.membership.id).first()
    if ours is None or not workspaces.can(ours, "manage"):
        return redirect("team")
    return redirect("team-member", member_id)
