"""What staff show before the staff console opens, on an install that is on the net: for they can give credits away.

A second factor (REQ-56), and who they are again after an hour without the console, or half a day with it (REQ-51).
What does not belong: who is staff, setting a second factor up, asking again (allauth's pages).
"""

import time
import urllib.parse
from typing import cast

from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.base import BaseStorage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from gesso.accounts import sessions
from gesso.accounts.models import User

UNUSED_SECONDS = 3600
WHOLE_SECONDS = 12 * 3600
NOTED_SECONDS = 60  # how often a use is written down
USED = "staff_used"  # the session's name for when the console was last used, in seconds since 1970

NO_FACTOR = "The staff console needs a second factor. Add an authenticator app or a passkey here, then open it again."
WHO = "The staff console asks who you are: after an hour without it, and after half a day in any case."


def detour(request: HttpRequest) -> HttpResponse | None:
    """Send staff where they can show what is missing, and say why; None when nothing is.

    On plain http, a machine of one's own, nobody must.
    """
    user = cast("User", request.user)
    if not settings.SECURE:
        return None
    if not is_mfa_enabled(user):
        _say(request, NO_FACTOR)
        return redirect("mfa_index")
    now = time.time()
    shown = max((record["at"] for record in get_authentication_records(request, user)), default=0.0)
    used = request.session.get(USED, 0.0)
    if now - shown > WHOLE_SECONDS or now - max(shown, used) > UNUSED_SECONDS:
        _say(request, WHO)
        back = urllib.parse.urlencode({"next": sessions.way_back(request, "/staff/")})
        return redirect(f"{reverse('account_reauthenticate')}?{back}")
    if now - used > NOTED_SECONDS:
        request.session[USED] = now
    return None


def _say(request: HttpRequest, words: str) -> None:
    """Say it once, however many requests were sent away before it is read."""
    waiting = cast("BaseStorage", messages.get_messages(request))
    if words not in map(str, waiting):
        messages.info(request, words)
    waiting.used = False  # only looked at
