"""Inviting to the team: the link is shown once to who invites, and mailed where mail is set up."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from gesso.accounts import team_invitations
from gesso.web import access
from gesso.web.team import doing, page
from gesso.web.team.invite_form import InviteForm


@never_cache
@require_POST
@access.signed_in
def invite(request: access.Request) -> HttpResponse:
    """Invite one address; the answer shows the link, once."""
    doing.require_team(request)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return page.show(request, form=form, status=422)
    email, role = form.cleaned_data["email"], form.cleaned_data["role"]
    link = doing.attempt(request, lambda: team_invitations.invite(request.membership, email, role))
    return page.show(request, link=link) if link else page.show(request, form=form, status=422)


@never_cache
@require_POST
@access.signed_in
def send_again(request: access.Request, invitation_id: int) -> HttpResponse:
    """Send an invitation again, with a new link; the old one ends."""
    doing.require_team(request)
    link = doing.attempt(request, lambda: team_invitations.send_again(request.membership, invitation_id))
    return page.show(request, link=link) if link else redirect("team")


@require_POST
@access.signed_in
def revoke(request: access.Request, invitation_id: int) -> HttpResponse:
    """Take an invitation back."""
    doing.require_team(request)
    words = "The invitation was taken back. Its link no longer works."
    doing.attempt(request, lambda: team_invitations.revoke(request.membership, invitation_id), words)
    return redirect("team")
