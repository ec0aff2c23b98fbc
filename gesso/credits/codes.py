"""Codes as people enter them: how they are spelled, found and refused, and how many wrong ones may be tried.

Invariants: a code is found by its SHA-256, so the time of a look tells nothing about how much of it was right; a person
or a network tries five unknown codes a minute and twenty an hour at most, however many at once. What a code does is in
`promo` and `invites`.
"""

import datetime
import hashlib
import re
from collections.abc import Iterable

from django.db import connection, transaction

from gesso.core import clock, networks
from gesso.credits.models import CodeGuess, PromoCode

SHORTEST, LONGEST = 6, 40  # characters of a code, without spaces and dashes
# span, wrong codes that may be tried in it, how the wait is said
GUESSES = (
    (datetime.timedelta(minutes=1), 5, "a minute"),
    (datetime.timedelta(hours=1), 20, "an hour"),
)
_BETWEEN = re.compile(r"[\s\-\u2010-\u2015]+")  # spaces and every kind of dash: codes are pasted from mails
_SPELLED = re.compile(rf"[0-9A-Za-z]{{{SHORTEST},{LONGEST}}}")


class CodeRefused(Exception):
    """The code does nothing here; `code` is a stable word for why, the message a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def spell(text: str) -> str:
    """Return the one spelling of a code: without spaces and dashes, in capitals. Empty for what can be no code."""
    plain = _BETWEEN.sub("", text[:200])
    # Capitals only after the check: the capitals of some other letters are those of the alphabet.
    return plain.upper() if _SPELLED.fullmatch(plain) else ""


def digest(spelled: str) -> bytes:
    """Return what a spelled code is found by."""
    return hashlib.sha256(spelled.encode()).digest()


def find(text: str, kind: PromoCode.Kind, *, tried_by: Iterable[str]) -> PromoCode:
    """Return the code of that kind which `text` spells. `tried_by` names the person and the network that try it.

    Raises CodeRefused: `code_attempts`, `code_unknown`, `code_wrong_place` for one of the other kind. A wrong one is
    written down, so call it outside of a transaction that the refusal would roll back.
    """
    triers = sorted(networks.digest("codes tried", name) for name in tried_by)
    with transaction.atomic():
        _stand_in_line(triers)
        now = clock.now()
        wait = _wait(triers, now)
        found = None if wait else PromoCode.objects.filter(digest=digest(spell(text))).first()
        if not wait and (found is None or found.kind != kind):
            CodeGuess.objects.bulk_create([CodeGuess(who=who, at=now) for who in triers])
    if wait:
        raise CodeRefused("code_attempts", f"Too many wrong codes were tried. Try again in {wait}.")
    if found is None:
        raise CodeRefused("code_unknown", "There is no such code. Check how it is written.")
    if found.kind != kind:
        place = "on the credits page" if found.kind == PromoCode.Kind.PROMO else "when an account is made"
        raise CodeRefused("code_wrong_place", f"This code is entered {place}.")
    return found


def check(code: PromoCode, now: datetime.datetime) -> None:
    """Raise CodeRefused when the code has ended or is used up; for a row that the caller has locked."""
    if code.ended_at or (code.expires_at and code.expires_at <= now):
        raise CodeRefused("code_ended", "This code has ended.")
    if code.uses >= code.uses_most:
        raise CodeRefused("code_used_up", "This code has been used as often as it may be.")


def forget() -> None:
    """Delete the wrong codes tried that no limit counts any more."""
    CodeGuess.objects.filter(at__lt=clock.now() - GUESSES[-1][0]).delete()


def _stand_in_line(triers: list[bytes]) -> None:
    with connection.cursor() as cursor:
        for who in triers:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(who[:8], signed=True)])


def _wait(triers: list[bytes], now: datetime.datetime) -> str:
    """Return how long somebody who has tried too many has to wait, in words; empty when they may try."""
    for span, most, words in reversed(GUESSES):
        if any(CodeGuess.objects.filter(who=who, at__gt=now - span).count() >= most for who in triers):
            return words
    return ""
