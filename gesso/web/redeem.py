"""Entering a promo code: its credits are added to the workspace at hand.

Every refusal is one sentence beside the field, with its stable code, and moves nothing. Rules are in `credits.promo`.
"""

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from gesso.accounts import workspaces
from gesso.credits import codes, promo
from gesso.web import access, wording

LONGEST = 80  # characters: a code with all its dashes and spaces
STATUSES = {"code_attempts": 429}
RETRY_AFTER = "60"  # seconds


class CodeForm(forms.Form):
    """The code, as it was read or pasted."""

    code = forms.CharField(
        max_length=LONGEST,
        help_text="Spaces, dashes and capitals don't matter.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "class": "input"}
        ),
    )


@never_cache
@require_http_methods(["GET", "POST"])
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """Show the form, filled in by `?code=`; POST redeems the code and says what was added."""
    may = workspaces.can(request.membership, "generate")
    context: dict[str, object] = {"may": may, "workspace_name": request.workspace.name, "refusal": "", "added": ""}
    if request.method == "GET" or not may:
        context["form"] = CodeForm(initial={"code": request.GET.get("code", "")[:LONGEST]})
        return render(request, "credits/redeem.html", context, status=200 if request.method == "GET" else 403)
    form = CodeForm(request.POST)
    context["form"], status = form, 422
    if form.is_valid():
        try:
            grant = promo.redeem(request.workspace, request.user, form.cleaned_data["code"])
        except codes.CodeRefused as refused:
            form.add_error("code", forms.ValidationError(str(refused), code=refused.code))
            context["refusal"], status = refused.code, STATUSES.get(refused.code, 422)
        else:
            assert grant.expires_at is not None  # a code's credits always end
            context["added"] = wording.plural(grant.amount, "credit")
            context["until"] = f"{timezone.localtime(grant.expires_at):%-d %B %Y}"
            context["form"], status = CodeForm(), 200
    response = render(request, "credits/redeem.html", context, status=status)
    if status == 429:
        response["Retry-After"] = RETRY_AFTER
    return response
