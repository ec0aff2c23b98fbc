"""Asking an admin of the team: a request above the team's limit waits, and becomes generations when it is approved.

Invariants: nothing is held before the approval; a request is decided once, however many admins press at once (its row
is locked); what is held is today's price, and never more than the price that the approving admin saw. An approved
request counts in its member's allowance, which holds for it as for any other: an admin raises the allowance first.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from gesso.accounts import workspaces
from gesso.accounts.models import Membership, User, Workspace
from gesso.core import clock, typed
from gesso.generations import approval_mail, member_caps, pricing, spec, submission
from gesso.generations.models import ApprovalRequest, Generation

REASON_MOST = 300  # characters
WAITING_MOST = 50  # requests of one member that wait
COUNTS = (1, 2, 3, 4)  # a retry of what is missing asks for three too

State = ApprovalRequest.State


class NotAllowed(Exception):
    """The person's role doesn't allow it."""


class NoSuchRequest(Exception):
    """There is no such request in this workspace."""


class Decided(Exception):
    """The request was decided, or withdrawn, already."""


class CantApprove(Exception):
    """It can't be approved as it is; the message says why. It still waits."""


class PriceRose(Exception):
    """Today's price (`total`) is above the one that was seen. It still waits, now with today's price."""

    def __init__(self, total: int) -> None:
        super().__init__(f"The price is now {total:,} credits. Look again before you approve it.")
        self.total = total


class TooMany(Exception):
    """The member has as many requests waiting as one may have."""


def ask(workspace: Workspace, member: User, refused: submission.NeedsApproval) -> ApprovalRequest:
    """Let what submission.submit refused wait for an admin, who is told; the same ids again return the same request.

    Raises member_caps.OverAllowance where the allowance has no room already, TooMany, submission.IdTaken.
    """
    specs, numbers = refused.specs, refused.numbers
    if earlier := ApprovalRequest.objects.filter(id=numbers[0]).first():
        return _same(earlier, workspace, member, specs)
    waiting = ApprovalRequest.objects.filter(workspace=workspace, member=member, state=State.PENDING)
    if waiting.count() >= WAITING_MOST:
        raise TooMany(f"{WAITING_MOST} of your requests wait for approval. Withdraw some, or wait for an admin.")
    now = clock.now()
    member_caps.require_room(workspace, member, refused.total, now)
    try:
        with transaction.atomic():
            made = ApprovalRequest.objects.create(
                id=numbers[0], workspace=workspace, member=member, parent=refused.parent, total=refused.total,
                specs=[_plain(each) for each in specs], generation_ids=[str(number) for number in numbers],
                created_at=now, mailed=approval_mail.is_due(workspace, now),
            )  # fmt: skip
            if made.mailed:
                approval_mail.send(made, above=refused.above)
    except IntegrityError:  # twice at once
        made = ApprovalRequest.objects.get(id=numbers[0])
        return _same(made, workspace, member, specs)
    return made


def seen_by(membership: Membership) -> "QuerySet[ApprovalRequest]":
    """Return the requests that a member may see, newest first: an admin all of the team's, others their own."""
    rows = ApprovalRequest.objects.filter(workspace_id=membership.workspace_id)
    if not workspaces.can(membership, "manage"):
        rows = rows.filter(member_id=membership.user_id)
    return rows.select_related("member", "decided_by").order_by("-created_at")


def waiting(workspace_id: uuid.UUID) -> int:
    """Return how many requests of the team wait for an admin (one query)."""
    return ApprovalRequest.objects.filter(workspace_id=workspace_id, state=State.PENDING).count()


def approve(actor: Membership, request_id: uuid.UUID, *, seen: int) -> list[Generation]:
    """Submit what was asked for, as its member, at today's price, unless that is above the price `seen` by the admin.

    Raises NotAllowed, NoSuchRequest, Decided, PriceRose, CantApprove, and whatever submission.submit raises; the
    request waits on then.
    """
    with transaction.atomic():
        row, admin = _locked(request_id, actor)
        wanted = _specs(row)
        total = _price(wanted)
        if total > seen:
            ApprovalRequest.objects.filter(id=row.id).update(total=total)
        else:
            member = _member(row)
            numbers = [uuid.UUID(number) for number in row.generation_ids]
            made = submission.submit(
                row.workspace, member, wanted, generation_ids=numbers, parent=row.parent, approved=True
            )
            _decide(row, State.APPROVED, admin.user, total=total)
            return made
    raise PriceRose(total)


@transaction.atomic
def decline(actor: Membership, request_id: uuid.UUID, reason: str) -> None:
    """Decline a request; its member reads the reason. Raises NotAllowed, NoSuchRequest, Decided."""
    row, admin = _locked(request_id, actor)
    _decide(row, State.DECLINED, admin.user, reason=typed.plain(" ".join(reason.split()))[:REASON_MOST])


@transaction.atomic
def withdraw(actor: Membership, request_id: uuid.UUID) -> None:
    """Take one's own request back. Raises NoSuchRequest, Decided."""
    rows = ApprovalRequest.objects.select_for_update(no_key=True)
    row = rows.filter(id=request_id, workspace_id=actor.workspace_id, member_id=actor.user_id).first()
    if row is None:
        raise NoSuchRequest
    if row.state != State.PENDING:
        raise Decided("This was decided already.")
    _decide(row, State.WITHDRAWN, actor.user)


def prompt_of(row: ApprovalRequest) -> str:
    """Return the prompt of a request: all its generations have the same."""
    return str(row.specs[0]["prompt"])


def _locked(request_id: uuid.UUID, actor: Membership) -> tuple[ApprovalRequest, Membership]:
    """Lock a waiting request and return it with the admin's membership as it is now."""
    admin = Membership.objects.select_related("user").filter(id=actor.id, workspace_id=actor.workspace_id).first()
    if admin is None or not workspaces.can(admin, "manage"):
        raise NotAllowed("Only admins of the team decide about requests.")
    rows = ApprovalRequest.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
    row = rows.filter(id=request_id, workspace_id=actor.workspace_id).first()
    if row is None:
        raise NoSuchRequest
    if row.state != State.PENDING:
        raise Decided("This was decided already.")
    return row, admin


def _member(row: ApprovalRequest) -> User:
    """Return the person who asked, if they may still generate here."""
    ours = (
        Membership.objects.select_related("user").filter(workspace_id=row.workspace_id, user_id=row.member_id).first()
    )
    if ours is None or not ours.user.is_active or not workspaces.can(ours, "generate"):
        raise CantApprove("Who asked for this is no longer in the team, or may no longer generate in it. Decline it.")
    return ours.user


def _decide(row: ApprovalRequest, state: str, by: User, **more: Any) -> None:
    ApprovalRequest.objects.filter(id=row.id).update(state=state, decided_by=by, decided_at=clock.now(), **more)


def _same(
    row: ApprovalRequest, workspace: Workspace, member: User, specs: Sequence[spec.GenerationSpec]
) -> ApprovalRequest:
    if (row.workspace_id, row.member_id, row.specs) != (workspace.id, member.pk, [_plain(each) for each in specs]):
        raise submission.IdTaken("This id is already in use. Send again with a new one.")
    return row


def _price(specs: Sequence[spec.GenerationSpec]) -> int:
    return sum(pricing.quote(each).total for each in specs)


def _specs(row: ApprovalRequest) -> list[spec.GenerationSpec]:
    """Return the requests, checked again: a model may be gone since. Raises spec.BadSpec."""
    return [spec.parse(values, counts=COUNTS) for values in row.specs]


def _plain(each: spec.GenerationSpec) -> dict[str, Any]:
    """Return a request as the plain values that `spec.parse` reads."""
    return {
        "prompt": each.prompt, "aspect_ratio": each.aspect_ratio, "quality": each.quality, "count": each.count,
        "model": each.model, "background": each.background, "format": each.format,
        "references": [{"image_id": str(row.image_id), "role": row.role} for row in each.references],
    }  # fmt: skip
