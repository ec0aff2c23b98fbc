"""The pages behind one-time links: the owner claims a fresh install, an invited person signs in.

Invariant: looking at a page uses nothing up, because mail scanners look; only its form does, once.
"""

import django.contrib.auth.password_validation
from allauth.account.utils import perform_login
from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from gesso.accounts import passwords, sign_in_links, workspaces
from gesso.accounts.models import SignInLink, User
from gesso.credits import allowances

USED_UP = "entering/used_up.html"
TAKEN = "This address has an account here already. Use another address."


class OwnerForm(forms.Form):
    """What the owner chooses: an email address and a password."""

    email = forms.EmailField(max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        strip=False,
        max_length=1000,
        help_text=passwords.RULE,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> None:
        """Judge the password beside the email that it must not resemble."""
        email, password = self.cleaned_data.get("email"), self.cleaned_data.get("password")
        if email and password:
            try:
                django.contrib.auth.password_validation.validate_password(password, User(email=email))
            except forms.ValidationError as problem:
                self.add_error("password", problem)


@never_cache
@require_http_methods(["GET", "POST"])
def owner(request: HttpRequest, secret: str) -> HttpResponse:
    """Claim this install: the first person, with every permission and the catalogue's welcome credits."""
    if sign_in_links.find(secret, SignInLink.Purpose.OWNER) is None:
        return _used_up(request)
    form = OwnerForm(request.POST or None)
    if not form.is_valid():
        return _ask(request, form)
    try:
        with transaction.atomic():
            user = sign_in_links.claim_install(secret, form.cleaned_data["email"], form.cleaned_data["password"])
            allowances.welcome(workspaces.open_personal(user))
    except sign_in_links.LinkUsedUp:
        return _used_up(request)
    except sign_in_links.EmailTaken:
        form.add_error("email", TAKEN)
        return _ask(request, form)
    return _enter(request, user)


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest, secret: str) -> HttpResponse:
    """Sign in whom the link was made for. A second factor, where there is one, is asked for after it."""
    link = sign_in_links.find(secret, SignInLink.Purpose.SIGN_IN)
    if link is None or link.user is None:
        return _used_up(request)
    if request.method == "GET":
        return render(request, "entering/sign_in.html", {"email": link.user.email})
    try:
        user = sign_in_links.sign_in(secret)
    except sign_in_links.LinkUsedUp:
        return _used_up(request)
    return _enter(request, user)


def _ask(request: HttpRequest, form: OwnerForm) -> HttpResponse:
    return render(request, "entering/owner.html", {"form": form}, status=422 if form.is_bound else 200)


def _enter(request: HttpRequest, user: User) -> HttpResponse:
    """Sign in through allauth, which asks for a second factor and notes the session."""
    answer: HttpResponse = perform_login(request, user, email_verification="none", redirect_url="/studio")
    return answer


def _used_up(request: HttpRequest) -> HttpResponse:
    return render(request, USED_UP, status=410)
