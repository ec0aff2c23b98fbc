"""How allauth behaves here: who may register, how mail leaves, which messages are worth saying."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from gesso.accounts import mail

# The page that follows says these by itself.
UNSAID = {f"account/messages/{name}.txt" for name in ("logged_in", "logged_out", "login_code_sent")}


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Gesso's answers to allauth's questions."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 (allauth's signature)
        """Whether anybody may make an account; otherwise people come by invitation, or not at all."""
        return settings.GESSO.registration == "open"

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Say what the next page does not show by itself."""
        if message_template not in UNSAID:
            super().add_message(request, level, message_template, *args, **kwargs)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a message off the request, so that its time tells nothing about who has an account (REQ-53)."""
        rendered = self.render_mail(template_prefix, email, {"email": email, **context})
        mail.send_soon(rendered)
