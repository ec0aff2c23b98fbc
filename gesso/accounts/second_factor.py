"""Whose account must have a second factor: staff of an install that is on the net, for they can give credits away.

Signing in asks for it wherever there is one (allauth). What does not belong: setting one up (allauth's pages).
"""

from typing import cast

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from gesso.accounts.models import User

SENTENCE = "The staff console needs a second factor. Add an authenticator app or a passkey here, then open it again."


def detour(request: HttpRequest) -> HttpResponse | None:
    """Send staff who have yet to set one up where they can, and say why; None for everybody else.

    On plain http, a machine of one's own, nobody must.
    """
    if not settings.SECURE or is_mfa_enabled(cast("User", request.user)):
        return None
    messages.info(request, SENTENCE)
    return redirect("mfa_index")
