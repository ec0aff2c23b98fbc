"""Submission: the one transaction (TX 1) that makes hold, rows, timeline, alarm and notice true together, or none.

Nothing here waits for the network: remote moderation is the worker's first step. A repeat of the same submission
(the page's ids, or a client's idempotency key) finds the rows of the first and changes nothing.
"""

import dataclasses
import datetime
import itertools
import uuid
from collections.abc import Sequence

from django.db import IntegrityError, transaction

from gesso.accounts.models import User, Workspace
from gesso.core import catalog, clock, ids
from gesso.credits import allowances, ledger
from gesso.credits.models import CreditHold
from gesso.generations import alarms, member_caps, pricing, queries, recovery, timeline
from gesso.generations.models import Generation, GenerationReference, IdempotencyKey, Output
from gesso.generations.spec import BadSpec, GenerationSpec, Mistake
from gesso.images.models import Image
from gesso.moderation import policy

# An alarm that nobody heard is rung again after this long (recovery).
UNHEARD_SECONDS = 20
IDEMPOTENCY_HOURS = 24


_KNOWN = "SELECT * FROM generations_generation WHERE id = ANY(%s)"


class Blocked(Exception):
    """The prompt goes against the local rules: nothing was sent, nothing held."""

    def __init__(self, categories: tuple[str, ...]) -> None:
        super().__init__("The prompt goes against the content rules. Change it and try again.")
        self.categories = categories


class IdempotencyConflict(Exception):
    """The idempotency key was used within 24 hours with another body."""


class IdTaken(Exception):
    """A generation's id that the client made is already somebody else's, or names another request."""


class Suspended(Exception):
    """The workspace may not generate at present."""


class Overloaded(Exception):
    """Too much is waiting: refused before anything is held. `retry_after` in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too much is waiting just now. Try again in a minute.")
        self.retry_after = retry_after


class NeedsApproval(Exception):
    """The `total` is above what this member may ask for without an admin. `approvals.ask` lets exactly this wait."""

    def __init__(
        self,
        total: int,
        above: int,
        specs: Sequence[GenerationSpec],
        numbers: Sequence[uuid.UUID],
        parent: Generation | None,
    ) -> None:
        super().__init__(
            f"This needs {total:,} credits. In this team an admin approves what needs more than {above:,}. "
            "Ask for less, or ask for it in the studio."
        )
        self.total, self.above = total, above
        self.specs, self.numbers, self.parent = specs, numbers, parent


@dataclasses.dataclass(frozen=True)
class Idempotency:
    """A client's key and the SHA-256 of what it sent with it."""

    key: str
    body_hash: bytes


def submit(
    workspace: Workspace,
    member: User | None,
    specs: Sequence[GenerationSpec],
    *,
    generation_ids: Sequence[uuid.UUID] = (),
    idempotency: Idempotency | None = None,
    parent: Generation | None = None,
    approved: bool = False,
) -> list[Generation]:
    """Queue one generation for each of `specs` and hold its price: all of them or none. Returns the rows.

    `generation_ids`, when given, are the client's own, one for each spec: the same ids again return the same rows.
    `approved` says that an admin of the team has agreed to the price (`approvals`).
    Raises BadSpec, Blocked, Suspended, Overloaded, IdempotencyConflict, IdTaken, ledger.InsufficientCredits,
    ledger.InDebt, NeedsApproval, member_caps.OverAllowance; nothing has changed then.
    """
    assert specs
    assert len(generation_ids) in {0, len(specs)}
    assert idempotency is None or len(specs) == 1
    numbers = list(generation_ids) or [ids.uuid7() for _ in specs]
    for spec in specs:
        verdict = policy.judge_prompt_locally(spec.prompt)
        if not verdict.allowed:
            raise Blocked(verdict.categories)
    try:
        with transaction.atomic():
            if earlier := _earlier(workspace, specs, generation_ids, idempotency):
                return earlier
            return _submit(workspace, member, specs, numbers, idempotency, parent, approved)
    except (IntegrityError, ledger.InsufficientCredits, ledger.InDebt, member_caps.OverAllowance):
        # Twice at once: the other one won, perhaps with the last of the credits or of the allowance. What it made is
        # the answer; if it made nothing, the fault is a real one.
        if earlier := _earlier(workspace, specs, generation_ids, idempotency):
            return earlier
        raise


def _submit(
    workspace: Workspace,
    member: User | None,
    specs: Sequence[GenerationSpec],
    numbers: Sequence[uuid.UUID],
    idempotency: Idempotency | None,
    parent: Generation | None,
    approved: bool,
) -> list[Generation]:
    now = clock.now()
    if workspace.suspended_at:
        raise Suspended("This workspace is suspended. Ask whoever runs this install.")
    if (retry_after := recovery.overload()) is not None:
        raise Overloaded(retry_after)
    images = _usable_references(workspace, specs)
    allowances.ensure(workspace, now)
    actor = str(member.pk) if member else ""
    quotes = [pricing.quote(spec) for spec in specs]
    total = sum(quote.total for quote in quotes)
    if not approved and (above := member_caps.asks_above(workspace, member, total)) is not None:
        raise NeedsApproval(total, above, specs, numbers, parent)
    holds = _hold_all(workspace, numbers, quotes, actor, now)
    member_caps.require_room(workspace, member, total, now)  # behind the lock on the workspace's credits
    deadline = now + datetime.timedelta(hours=catalog.current().limits.queued_hours)
    generations = [
        Generation(
            id=number, workspace=workspace, member=member, parent=parent, prompt=spec.prompt, model=spec.model,
            provider=spec.provider, aspect_ratio=spec.aspect_ratio, width=spec.width, height=spec.height,
            quality=spec.quality, count=spec.count, background=spec.background, format=spec.format,
            price_each=quote.each, price=quote.total, hold=hold, created_at=now, deadline_at=deadline,
            wake_at=now + datetime.timedelta(seconds=UNHEARD_SECONDS),
        )
        for number, spec, quote, hold in zip(numbers, specs, quotes, holds, strict=True)
    ]  # fmt: skip
    Generation.objects.bulk_create(generations)
    outputs = [[Output(generation=row, index=index) for index in range(row.count)] for row in generations]
    references = [
        [
            GenerationReference(generation=row, image=images[each.image_id], position=position, role=each.role)
            for position, each in enumerate(spec.references)
        ]
        for row, spec in zip(generations, specs, strict=True)
    ]
    Output.objects.bulk_create(itertools.chain(*outputs))
    GenerationReference.objects.bulk_create(itertools.chain(*references))
    for row, its_outputs, its_references in zip(generations, outputs, references, strict=True):
        queries.assemble(row, its_outputs, its_references)
    if idempotency:
        IdempotencyKey.objects.filter(
            workspace=workspace,
            key=idempotency.key,
            created_at__lt=now - datetime.timedelta(hours=IDEMPOTENCY_HOURS),
        ).delete()
        IdempotencyKey.objects.create(
            workspace=workspace,
            key=idempotency.key,
            body_hash=idempotency.body_hash,
            generation=generations[0],
            created_at=now,
        )
    for generation in generations:
        timeline.record(generation.id, "submitted", epoch=0, held=generation.price)
    alarms.ring([generation.id for generation in generations])
    return generations


def _earlier(
    workspace: Workspace,
    specs: Sequence[GenerationSpec],
    numbers: Sequence[uuid.UUID],
    idempotency: Idempotency | None,
) -> list[Generation]:
    """Return the rows of an earlier, identical submission, or an empty list. `numbers` are the client's ids, if any."""
    if idempotency and (repeated := repeat_of(workspace, idempotency)):
        return [repeated]
    found = {row.id: row for row in Generation.objects.raw(_KNOWN, [list(numbers)])} if numbers else {}
    if not found:
        return []
    for number, spec in zip(numbers, specs, strict=True):
        row_ = found.get(number)
        if row_ is None or row_.workspace_id != workspace.id or (row_.prompt, row_.count) != (spec.prompt, spec.count):
            raise IdTaken("This id is already in use. Send again with a new one.")
    return [found[number] for number in numbers]


def repeat_of(workspace: Workspace, idempotency: Idempotency) -> Generation | None:
    """Return the generation that this key made within 24 hours, or None. Raises IdempotencyConflict."""
    cutoff = clock.now() - datetime.timedelta(hours=IDEMPOTENCY_HOURS)
    rows = IdempotencyKey.objects.select_related("generation")
    row = rows.filter(workspace=workspace, key=idempotency.key, created_at__gte=cutoff).first()
    if row is None:
        return None
    if bytes(row.body_hash) != idempotency.body_hash:
        raise IdempotencyConflict("This idempotency key was already used with another request.")
    return row.generation


def _usable_references(workspace: Workspace, specs: Sequence[GenerationSpec]) -> dict[uuid.UUID, Image]:
    """Return the images that `specs` refer to, by id; raises BadSpec when one of them can't be used."""
    wanted = {reference.image_id for spec in specs for reference in spec.references}
    if not wanted:
        return {}
    rows = Image.objects.filter(workspace=workspace, id__in=wanted, verdict=Image.Verdict.ALLOWED, broken_at=None)
    usable = {row.id: row for row in rows}
    if wanted - usable.keys():
        words = "A reference is no longer there. Remove it and add it again."
        raise BadSpec([Mistake("references", "unknown_reference", words)])
    return usable


def _hold_all(
    workspace: Workspace,
    numbers: Sequence[uuid.UUID],
    quotes: Sequence[pricing.Quote],
    actor: str,
    now: datetime.datetime,
) -> list[CreditHold]:
    """Hold each price; a shortfall speaks of the whole total, as the button did."""
    holds: list[CreditHold] = []
    for number, quote in zip(numbers, quotes, strict=True):
        try:
            holds.append(ledger.hold(workspace.id, amount=quote.total, reference=str(number), actor=actor, now=now))
        except ledger.InsufficientCredits as short:
            total = sum(quote.total for quote in quotes)
            raise ledger.InsufficientCredits(total, short.available + sum(hold.amount for hold in holds)) from None
    return holds
