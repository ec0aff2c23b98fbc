"""Promo codes: made by staff, redeemed for credits, once by each workspace and each person.

Invariant: a code gives credits exactly `uses_most` times at most. Its row is locked while it is used, and constraints
refuse one use too many. How codes are found and guessing is bounded is in `codes`; accounts by code are in `invites`.
"""

import datetime
import secrets
import uuid

from django.db import IntegrityError, transaction
from django.db.models import F

from gesso.accounts.models import User, Workspace
from gesso.core import clock, ids, networks
from gesso.credits import codes, ledger
from gesso.credits.codes import CodeRefused
from gesso.credits.models import CreditGrant, PromoCode, PromoUse

CREDITS_DAYS = 90  # life of the credits, where the code says nothing
LARGEST = 100_000  # credits of one use
USES_MOST = 100_000
LIFE_MOST = 3650  # days
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without what is read as something else
GROUPS = (4, 4, 4)  # 31 letters to the power of 12: 59 bits
BOUGHT = ("plan", "pack", "promo")


class BadCode(Exception):
    """The code can't be made; the message says why."""


def make(
    *,
    kind: str = PromoCode.Kind.PROMO,
    amount: int,
    uses_most: int,
    word: str = "",
    expires_at: datetime.datetime | None = None,
    credits_days: int | None = None,
    for_new_only: bool = False,
    note: str = "",
    made_by: User | None = None,
    code_id: uuid.UUID | None = None,
) -> PromoCode:
    """Make a code: one that nobody guesses, or the chosen `word`. A `code_id` makes one code only.

    `amount` credits for each use; `expires_at` ends the code, `credits_days` (None: 90) the credits after a use. Raises
    BadCode.
    """
    now = clock.now()
    shown = "-".join(word.split()) or _unguessable()
    spelled = codes.spell(shown)
    kinds = {PromoCode.Kind.PROMO: 1, PromoCode.Kind.INVITE: 0}
    refusals = (
        (not spelled, f"A code has {codes.SHORTEST} to {codes.LONGEST} letters of a to z and digits, and dashes."),
        (len(shown) > 48, "The code has too many dashes."),
        (not kinds[PromoCode.Kind(kind)] <= amount <= LARGEST, f"A use gives 1 to {LARGEST:,} credits."),
        (not 1 <= uses_most <= USES_MOST, f"A code has 1 to {USES_MOST:,} uses."),
        (credits_days is not None and not 1 <= credits_days <= LIFE_MOST, f"Credits last 1 to {LIFE_MOST:,} days."),
        (expires_at is not None and expires_at <= now, "The code would have ended already."),
    )
    for refused, sentence in refusals:
        if refused:
            raise BadCode(sentence)
    try:
        with transaction.atomic():
            return PromoCode.objects.create(
                id=code_id or ids.uuid7(), kind=kind, digest=codes.digest(spelled), shown=shown.upper(), credits=amount,
                uses_most=uses_most, expires_at=expires_at, credits_days=credits_days, for_new_only=for_new_only,
                note=note[:200], made_by=made_by, created_at=now,
            )  # fmt: skip
    except IntegrityError:
        raise BadCode("There is or was such a code already. Choose another.") from None


def end(code_id: uuid.UUID) -> bool:
    """End a code now: nobody uses it any more. Returns whether it had not ended before."""
    return bool(PromoCode.objects.filter(pk=code_id, ended_at=None).update(ended_at=clock.now()))


def redeem(workspace: Workspace, user: User, text: str) -> CreditGrant:
    """Give the workspace the credits of the code that `text` spells, and return their grant.

    Raises codes.CodeRefused with a stable code: `code_attempts`, `code_unknown`, `code_wrong_place`, `code_used_here`,
    `code_ended`, `code_used_up`, `code_not_for_you`; nothing has moved then. Call it outside of a transaction.
    """
    network = networks.current_public()
    tried_by = [f"person:{user.pk}", *([f"network:{network}"] if network else [])]
    found = codes.find(text, PromoCode.Kind.PROMO, tried_by=tried_by)
    with transaction.atomic():
        # NO KEY: uses point here and must not wait for this lock.
        code = PromoCode.objects.select_for_update(no_key=True).get(pk=found.pk)
        now = clock.now()
        _check_who(code, workspace, user)
        codes.check(code, now)
        grant = give(code, workspace, now, actor=user)
        PromoCode.objects.filter(pk=code.pk).update(uses=F("uses") + 1)
        PromoUse.objects.create(
            code=code, workspace=workspace, user=user, state=PromoUse.State.COUNTED, grant=grant, at=now
        )
    return grant


def give(code: PromoCode, workspace: Workspace, now: datetime.datetime, *, actor: User) -> CreditGrant:
    """Grant what one use of the code is worth, once for each workspace; in the transaction that writes the use down."""
    days = code.credits_days or CREDITS_DAYS
    return ledger.grant(
        workspace.pk, source="promo", amount=code.credits, reference=f"promo:{code.pk}:{workspace.pk}",
        expires_at=now + datetime.timedelta(days=days), actor=str(actor.pk), reason=f"Code {code.shown}",
    )  # fmt: skip


def _check_who(code: PromoCode, workspace: Workspace, user: User) -> None:
    if PromoUse.objects.filter(code=code, workspace=workspace).exists():
        raise CodeRefused("code_used_here", "This code has been used here already; its credits were added then.")
    if PromoUse.objects.filter(code=code, user=user).exists():
        raise CodeRefused("code_used_here", "You have used this code already, in another workspace.")
    if code.for_new_only and CreditGrant.objects.filter(workspace=workspace, source__in=BOUGHT).exists():
        raise CodeRefused("code_not_for_you", "This code is for new workspaces, without purchases or codes so far.")


def _unguessable() -> str:
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(size)) for size in GROUPS)
