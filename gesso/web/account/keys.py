"""API keys of the workspace: made here, shown once, listed by their first characters, revoked for good."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from gesso.accounts import api_keys, workspaces
from gesso.accounts.models import ApiKey
from gesso.web import access


class KeyForm(forms.Form):
    """What a key is called."""

    name = forms.CharField(max_length=60, help_text="What will use it, such as “Shop importer”.")


@never_cache
@require_http_methods(["GET", "POST"])
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """List the workspace's keys; POST makes one and shows its secret, once."""
    may = workspaces.can(request.membership, "generate")
    form, secret = KeyForm(request.POST or None), ""
    if request.method == "POST":
        if not may:
            raise PermissionDenied
        if form.is_valid():
            _, secret = api_keys.create(request.workspace, request.user, form.cleaned_data["name"])
            form = KeyForm()
    rows = _reach(request).select_related("user")
    context = {
        "form": form,
        "secret": secret,
        "keys": rows.order_by("-created_at"),
        "may_change": may,
        "address": f"{settings.GESSO.base_url}/v1",
    }
    return render(request, "settings/keys.html", context, status=422 if form.errors else 200)


def _reach(request: access.Request) -> "QuerySet[ApiKey]":
    """Return the keys that this person may look after: in a team, its admins all of them, others their own."""
    rows = ApiKey.objects.filter(workspace=request.workspace, revoked_at=None)
    return rows if workspaces.can(request.membership, "manage") else rows.filter(user=request.user)


@require_POST
@access.signed_in
def revoke(request: access.Request, key_id: int) -> HttpResponse:
    """Revoke a key of the workspace. It stops working at once."""
    if not workspaces.can(request.membership, "generate"):
        raise PermissionDenied
    if not _reach(request).filter(id=key_id).exists() or not api_keys.revoke(request.workspace, key_id):
        raise Http404
    messages.success(request, "The key was revoked. Whatever uses it is refused from now on.")
    return redirect("settings-keys")
