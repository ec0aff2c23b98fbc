"""The page behind an invitation's link: who invites, to what, and the button that joins.

Looking uses nothing up. A visitor signs in or makes an account first and comes back, by whichever way they come in; the
secret waits in their session, where registration by invitation looks for it (`account.registration`).
"""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from gesso.accounts import team_invitations
from gesso.accounts.models import TeamInvitation, User
from gesso.web import access

INVITATION = "team_invitation"  # the session's name for the secret of the invitation that was last looked at


def invited_address(request: HttpRequest) -> str:
    """Return the address that may make an account because of the invitation this visitor looked at; empty for none."""
    secret = request.session.get(INVITATION, "")
    return team_invitations.welcome_address(secret) if secret else ""


def waiting_page(request: HttpRequest) -> str:
    """Return the address of the invitation that this person looked at before they came in, empty where none is open."""
    return f"/join/{request.session[INVITATION]}" if invited_address(request) else ""


@never_cache
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, secret: str) -> HttpResponse:
    """Show the invitation; POST joins as the person who is signed in."""
    try:
        known = team_invitations.find(secret)
        if request.method == "POST" and isinstance(request.user, User):
            joined = team_invitations.accept(request.user, secret)
            request.session[access.CHOSEN] = str(joined.workspace_id)
            request.session.pop(INVITATION, None)
            messages.success(request, f"You are in {known.workspace.name} now.")
            return redirect("team")
    except team_invitations.Closed as closed:
        return render(request, "team/closed.html", {"why": str(closed)}, status=410)
    except team_invitations.SomebodyElses:
        return _show(request, known, secret, status=403)
    if not isinstance(request.user, User):
        request.session[INVITATION] = secret
    return _show(request, known, secret)


def _show(request: HttpRequest, known: TeamInvitation, secret: str, status: int = 200) -> HttpResponse:
    user, back = request.user, urlencode({"next": f"/join/{secret}"})
    signed_in = user if isinstance(user, User) else None
    inviter = known.invited_by
    context = {
        "team": known.workspace.name,
        "inviter": (inviter.name or inviter.email) if inviter else "Somebody",
        "role": f"{'an' if known.role == 'admin' else 'a'} {known.role}",
        "email": known.email,
        "signed_in_as": signed_in.email if signed_in else "",
        "yours": bool(signed_in and team_invitations.is_for(known, signed_in)),
        "same_address": bool(signed_in and signed_in.email.lower() == known.email),
        "sign_in": f"/accounts/login/?{back}",
        "sign_up": f"/accounts/signup/?{back}" if settings.GESSO.registration in {"open", "invite"} else "",
    }
    return render(request, "team/join.html", context, status=status)
