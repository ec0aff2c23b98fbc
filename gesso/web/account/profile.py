"""The first settings page: one's name, and where everything else about signing in is."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from gesso.accounts.models import User
from gesso.web import access


class ProfileForm(forms.ModelForm[User]):
    """The name that a person goes by."""

    class Meta:
        model = User
        fields = ("name",)
        help_texts = {"name": "Shown beside what you generate. Empty: the first part of your email address."}


@require_http_methods(["GET", "POST"])
@access.signed_in
def page(request: access.Request) -> HttpResponse:
    """Show and change the profile."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        User.objects.filter(id=request.user.id).update(name=form.cleaned_data["name"].strip())
        messages.success(request, "Your name was saved.")
        return redirect("settings")
    return render(request, "settings/profile.html", {"form": form}, status=422 if form.errors else 200)
