"""How allauth behaves here: who may register, how mail leaves, which messages are worth saying.

`open` lets anybody make an account, `invite` whoever has an invitation code or was invited to a team, `closed` nobody;
a one-time link from staff lets its person in, whatever is set. The sign-up form is in `signing_up`.
"""

import dataclasses
import urllib.parse
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from gesso.accounts import mail, mailboxes, sessions
from gesso.accounts.models import User
from gesso.core import catalog
from gesso.credits import invites
from gesso.web.team import joining

# The page that follows says these by itself.
UNSAID = {f"account/messages/{name}.txt" for name in ("logged_in", "logged_out", "login_code_sent")}
BLOCKED = "Addresses of this mail provider can't be used here. Use another address."
BY_LINK = "none"  # how `entering` says that a one-time link has proved the address already


@dataclasses.dataclass(frozen=True)
class Site:
    """What mails call an install, as allauth wants to be told."""

    name: str
    domain: str


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Gesso's answers to allauth's questions."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether there is a sign-up page. By invitation, it asks for a code, where there ever was one, or for none."""
        registration = settings.GESSO.registration
        if registration == "invite":
            return bool(joining.invited_address(request)) or invites.exist()
        return registration == "open"

    def clean_email(self, email: str) -> str:
        """Refuse the mail domains that the catalogue blocks."""
        if mailboxes.is_blocked(email, catalog.current().free.blocked_domains):
            raise forms.ValidationError(BLOCKED, code="email_blocked")
        return email

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Where one comes in who wanted no page: the invitation to a team that they looked at, or the studio."""
        return joining.waiting_page(request) or str(super().get_login_redirect_url(request))

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """Where somebody new comes in: as whoever signs in."""
        return joining.waiting_page(request) or str(super().get_signup_redirect_url(request))

    def pre_login(self, request: HttpRequest, user: User, **how: Any) -> HttpResponse | None:
        """Stop somebody whose invitation has meanwhile gone to another, or whose address is no longer the account's."""
        if (email := how.get("email")) and not mailboxes.belongs(user, email):
            return redirect("account_login")
        if response := super().pre_login(request, user, **how):
            stopped: HttpResponse = response
            return stopped
        if how["email_verification"] == BY_LINK or _admits(user):
            return None
        return render(request, "account/invitation_gone.html", status=403)

    def login(self, request: HttpRequest, user: User) -> None:
        """Note when."""
        super().login(request, user)
        sessions.begin(request)

    def send_notification_mail(self, template_prefix: str, user: User, *args: Any, **kwargs: Any) -> None:
        """Warn of a changed way into the account, and end every session but the one that changed it (REQ-51)."""
        sessions.end_others(self.request, user)
        super().send_notification_mail(template_prefix, user, *args, **kwargs)

    def post_login(self, request: HttpRequest, user: User, **how: Any) -> HttpResponse:
        """Count the invitation of somebody who has come in, which takes a proved address."""
        invites.arrived(user)
        response: HttpResponse = super().post_login(request, user, **how)
        return response

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Say what the next page does not show by itself."""
        if message_template not in UNSAID:
            super().add_message(request, level, message_template, *args, **kwargs)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a message off the request, so that its time tells nothing about who has an account (REQ-53).

        It speaks of this install by its own address, whatever the request said in Host.
        """
        base = settings.GESSO.base_url
        ours = {name: _here(value) if name.endswith("_url") else value for name, value in context.items()}
        site = Site("Gesso", urllib.parse.urlsplit(base).netloc)
        rendered = self.render_mail(
            template_prefix, email, {**ours, "email": email, "current_site": site, "base_url": base}
        )
        mail.send_soon(rendered)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count wrong passwords for an account and an address together, so that nobody shuts another out (REQ-55).

        allauth's own counts by account and Host, which the client chooses.
        """
        return f"{credentials.get('email', '').lower()} {self.get_client_ip(request)}"


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Signing up through Google or GitHub: no code can be asked for there, but an invited address is proved there."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Whether somebody new may come in: where anybody may, or with the address that was invited to a team."""
        if mailboxes.is_blocked(sociallogin.user.email, catalog.current().free.blocked_domains):
            return False
        if settings.GESSO.registration != "invite":
            return settings.GESSO.registration == "open"
        proved = {each.email.lower() for each in sociallogin.email_addresses if each.verified}
        return joining.invited_address(request) in proved


def _admits(user: User) -> bool:
    registration = settings.GESSO.registration
    if registration == "closed":
        return not invites.pending(user)
    return invites.admits(user) or registration == "open"


def _here(address: str) -> str:
    """Return the address with this install's own scheme and host."""
    return settings.GESSO.base_url + urllib.parse.urlsplit(address)._replace(scheme="", netloc="").geturl()
