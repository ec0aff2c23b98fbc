"""How long somebody stays signed in, and what signs them out elsewhere (REQ-51): the session engine of the settings.

A session ends two weeks after its last use, and thirty days after signing in whatever happens. Who changes a way into
the account (its password, address, second factor) stays signed in where they did it and nowhere else.
What does not belong: the list of sessions, and ending them by hand (allauth's pages).
"""

import time
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.http import HttpRequest

from gesso.accounts.models import SignInLink, User

WHOLE_SECONDS = 30 * 24 * 3600  # from signing in to the end; SESSION_COOKIE_AGE is from the last use
NOTED_SECONDS = 24 * 3600  # how often a use is written down: once a day costs nothing
BEGAN, USED = "began", "used"  # the session's names for when, in seconds since 1970


class SessionStore(db.SessionStore):
    """Django's sessions in the database, with an end that no use puts off."""

    def __init__(self, session_key: str | None = None) -> None:
        """`session_key` is what a cookie says: what was never one of ours is none, and not asked for."""
        super().__init__(session_key if session_key and session_key.isalnum() else None)

    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing once it has ended."""
        held: dict[str, Any] = super().load()
        if SESSION_KEY not in held:
            return held
        if time.time() - held.get(BEGAN, time.time()) > WHOLE_SECONDS:
            self.delete(self.session_key)
            self._session_key = None
            return {}
        return held


def begin(request: HttpRequest) -> None:
    """Count from here on: somebody signed in."""
    request.session[BEGAN] = request.session[USED] = int(time.time())


def note_use(request: HttpRequest) -> None:
    """Put the end of an unused session off; for pages about somebody only, as the answer carries the cookie anew."""
    now = int(time.time())
    if now - request.session.get(USED, 0) > NOTED_SECONDS:
        request.session.setdefault(BEGAN, now)  # it may be older than this count
        request.session[USED] = now


def way_back(request: HttpRequest, otherwise: str) -> str:
    """Return where to come back to from the sign-in: this page, or `otherwise`, as no redirect sends a form again."""
    return request.get_full_path() if request.method in {"GET", "HEAD"} else otherwise


def forget() -> None:
    """Delete the sessions that have ended."""
    SessionStore.clear_expired()


def end_others(request: HttpRequest, user: User) -> None:
    """Sign this person out in every other browser, void their unused links, and say so where it happened."""
    SignInLink.objects.filter(user=user, used_at=None).delete()
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    ended = [other for other in others if other.exists()]  # the list keeps those that ended by themselves
    for other in ended:
        other.end()
    if ended:
        messages.info(request, "You were signed out in every other browser.")
