"""Invitation codes: somebody makes an account with one, and may get credits once their address is proved.

A place is reserved when the account is made, counted when its person first comes in with a proved address, and given
back when the address was not proved within a day, so that nobody burns a code with addresses that are not theirs.
Invariant: reserved and counted uses together are `PromoCode.uses`, never more than `uses_most`. There is no job: places
are given back when somebody needs one. Whether codes let anybody in at all is the sign-up's to say.
"""

import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from gesso.accounts import workspaces
from gesso.accounts.models import User
from gesso.core import clock, networks
from gesso.credits import codes, promo
from gesso.credits.models import PromoCode, PromoUse

HELD_FOR = datetime.timedelta(days=1)

State = PromoUse.State


def exist() -> bool:
    """Return whether this install ever made an invitation code, so that it is worth asking for one."""
    return PromoCode.objects.filter(kind=PromoCode.Kind.INVITE).exists()


def find(text: str) -> PromoCode:
    """Return the invitation code that `text` spells and that has a place. Raises codes.CodeRefused."""
    # Here every network is counted, this machine's own too: nobody is known yet.
    found = codes.find(text, PromoCode.Kind.INVITE, tried_by=[f"network:{networks.current()}"])
    with transaction.atomic():
        codes.check(_locked(found), clock.now())
    return found


@transaction.atomic
def reserve(code: PromoCode, user: User) -> None:
    """Reserve a place for a person, in the transaction that makes their account. Raises codes.CodeRefused."""
    locked, now = _locked(code), clock.now()
    codes.check(locked, now)
    PromoCode.objects.filter(pk=code.pk).update(uses=F("uses") + 1)
    PromoUse.objects.create(
        code=code, workspace=workspaces.open_personal(user), user=user, state=State.RESERVED, at=now
    )


def pending(user: User) -> bool:
    """Return whether the person made an account with a code and has not come in with it yet."""
    return _uses(user).exists()


@transaction.atomic
def admits(user: User) -> bool:
    """Return whether a person who may have come with a code still has their place; one given back is taken again."""
    use = _uses(user).select_related("code").first()
    if use is None:
        return True
    code, now = _locked(use.code), clock.now()
    if _uses(user).filter(state=State.RESERVED).update(at=now):
        return True
    try:
        codes.check(code, now)
    except codes.CodeRefused:
        return False
    if PromoUse.objects.filter(pk=use.pk, state=State.GIVEN_BACK).update(state=State.RESERVED, at=now):
        PromoCode.objects.filter(pk=code.pk).update(uses=F("uses") + 1)
    return True


@transaction.atomic
def arrived(user: User) -> None:
    """Count the place of a person who came in with a proved address, and give the code's credits, once."""
    use = _uses(user).filter(state=State.RESERVED).select_related("code", "workspace").first()
    if use is None:
        return
    code, now = _locked(use.code), clock.now()
    if not PromoUse.objects.filter(pk=use.pk, state=State.RESERVED).update(state=State.COUNTED, at=now):
        return
    if code.credits:
        grant = promo.give(code, use.workspace, now, actor=user)
        PromoUse.objects.filter(pk=use.pk).update(grant=grant)


def _uses(user: User) -> QuerySet[PromoUse]:
    return PromoUse.objects.filter(user=user, code__kind=PromoCode.Kind.INVITE).exclude(state=State.COUNTED)


def _locked(code: PromoCode) -> PromoCode:
    """Return the code's row, locked, after the places that nobody came for were given back."""
    locked = PromoCode.objects.select_for_update(no_key=True).get(pk=code.pk)
    overdue = PromoUse.objects.filter(code=code, state=State.RESERVED, at__lte=clock.now() - HELD_FOR)
    # A person whose address is proved comes in sooner or later, and keeps the place till then.
    late = overdue.exclude(user__emailaddress__verified=True).update(state=State.GIVEN_BACK)
    if late:
        PromoCode.objects.filter(pk=code.pk).update(uses=F("uses") - late)
        locked.refresh_from_db()
    return locked
