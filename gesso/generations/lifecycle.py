"""What a person may do to a generation: cancel it, make it again.

Cancel is its own transaction: it takes the lease epoch away from whoever works on it, so that a late answer is dropped.
"""

import uuid

from django.db import transaction
from django.db.models import F

from gesso.accounts.models import User, Workspace
from gesso.generations import settlement, spec, submission, timeline
from gesso.generations.models import Generation, Output


class NoSuchGeneration(Exception):
    """There is no such generation in this workspace."""


class AlreadyEnded(Exception):
    """The generation has ended; nothing is left to cancel."""


class NothingMissing(Exception):
    """No image of the generation came to nothing."""


@transaction.atomic
def cancel(workspace: Workspace, generation_id: uuid.UUID, actor: User | None) -> Generation:
    """End a generation at once: what was delivered is kept and charged, the rest is returned.

    Raises NoSuchGeneration, AlreadyEnded.
    """
    generation = Generation.objects.select_for_update(no_key=True).filter(id=generation_id, workspace=workspace).first()
    if generation is None:
        raise NoSuchGeneration
    if generation.ended_at:
        raise AlreadyEnded("This has already ended.")
    generation.lease_epoch += 1
    Generation.objects.filter(id=generation.id).update(lease_epoch=F("lease_epoch") + 1)
    timeline.record(generation.id, "cancel_asked", epoch=generation.lease_epoch, actor=actor.pk if actor else None)
    return settlement.end(generation, failure_code="canceled", canceled=True)


def retry(
    workspace: Workspace,
    member: User | None,
    generation_id: uuid.UUID,
    *,
    new_id: uuid.UUID | None = None,
    idempotency: submission.Idempotency | None = None,
    only_missing: bool = False,
) -> Generation:
    """Make a generation again with the same prompt, settings and references; returns the new one.

    With `only_missing` it asks only for as many images as came to nothing. The same `new_id` or `idempotency` again
    returns the generation of the first time. Raises NoSuchGeneration, NothingMissing, spec.BadSpec (its model may be
    gone) and whatever submission.submit raises.
    """
    generation = Generation.objects.filter(id=generation_id, workspace=workspace).first()
    if generation is None:
        raise NoSuchGeneration
    if idempotency and (earlier := submission.repeat_of(workspace, idempotency)):
        return earlier  # what has become of its parent since is no matter
    count = generation.count
    if only_missing:
        lost = (Output.State.FAILED, Output.State.WITHDRAWN)
        count = Output.objects.filter(generation=generation, state__in=lost).count()
        if not count:
            raise NothingMissing("No image of this generation is missing, so nothing was asked for.")
    again = spec.parse(
        {
            "prompt": generation.prompt, "aspect_ratio": generation.aspect_ratio, "quality": generation.quality,
            "count": count, "model": generation.model, "background": generation.background, "format": generation.format,
            "references": [
                {"image_id": row.image_id, "role": row.role} for row in generation.references.order_by("position")
            ],
        },
        counts=(1, 2, 3, 4),
    )  # fmt: skip
    numbers = [new_id] if new_id else ()
    return submission.submit(
        workspace, member, [again], generation_ids=numbers, idempotency=idempotency, parent=generation
    )[0]
