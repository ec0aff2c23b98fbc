"""Making a team, and going from one workspace to another: the one that was chosen stands in the session."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from gesso.accounts import teams
from gesso.web import access

# Pages that every workspace has; another one (a picture's, say) is only in the workspace that was left.
EVERYWHERE = frozenset({"/studio", "/library", "/trash", "/credits", "/settings", "/settings/keys"})


class TeamForm(forms.Form):
    """What a team is called."""

    name = forms.CharField(
        max_length=teams.NAME_MOST,
        label="Name of the team",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )


@require_http_methods(["GET", "POST"])
@access.signed_in
def new(request: access.Request) -> HttpResponse:
    """Make a team (POST) and go there."""
    form = TeamForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = teams.create(request.user, form.cleaned_data["name"])
        except teams.Refused as refused:
            form.add_error("name", str(refused))
        else:
            request.session[access.CHOSEN] = str(made.workspace_id)
            messages.success(request, f"{made.workspace.name} is yours. Invite people below.")
            return redirect("team")
    mine = [row for row in request.memberships if row.workspace.kind == "team"]
    return render(request, "team/new.html", {"form": form, "teams": mine}, status=422 if form.errors else 200)


@require_POST
@access.signed_in
def switch(request: access.Request) -> HttpResponse:
    """Go to another workspace of one's own, on the same page where there is one."""
    chosen = request.POST.get("workspace", "")
    if chosen not in {str(row.workspace_id) for row in request.memberships}:
        raise Http404
    request.session[access.CHOSEN] = chosen
    back = request.POST.get("next", "").partition("?")[0]
    return redirect(back if back in EVERYWHERE else "/studio")
