"""The first settings page: one's name, and where everything else about signing in is."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from gesso.accounts.models import User
from gesso.web import access


class ProfileForm(forms.Form):
    """The name that a person goes by."""

    name = forms.CharField(
        max_length=80,
        required=False,
        help_text="Shown beside what you generate. Empty: the first part of your email address.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


@require_http_methods(["GET", "POST"])
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """Show and change the profile."""
    form = ProfileForm(request.POST if request.method == "POST" else None, initial={"name": request.user.name})
    if request.method == "POST" and form.is_valid():
        User.objects.filter(id=request.user.id).update(name=form.cleaned_data["name"].strip())
        messages.success(request, "Your name was saved.")
        return redirect("settings")
    return render(request, "settings/profile.html", {"form": form}, status=422 if form.errors else 200)
