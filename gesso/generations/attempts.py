"""Tries at a provider: a committed row before its request leaves, and what to do after each way a try can end.

Invariant: for each output at most one attempt is `sending` under the current lease. How often an ending is tried again
is the table `RETRIES`; everything else here writes what it says.
"""

import dataclasses
import datetime
import random
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now
from psycopg.types.json import Jsonb

from gesso.core import clock, ids
from gesso.generations import broadcast, costs, leasing, outputs, settlement, timeline
from gesso.generations.models import Attempt, Generation, Output, Watch
from gesso.images.models import Image
from gesso.providers import protocol


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often one ending is tried again, the first pause in seconds (doubling), and the failure code in the end."""

    most: int
    pause: float
    failure_code: str


SENDER_DIED = "sender_died"
UNREADABLE = ("unreadable",)  # in the place of categories: a picture that moderation can't judge, so nobody may see it
RETRIES: dict[str, Retries] = {
    "moderation": Retries(0, 0, "moderation_blocked"),
    "user_input": Retries(0, 0, "provider_refused"),
    "operator": Retries(0, 0, "provider_unavailable"),
    "rate_limited": Retries(8, 2, "provider_busy"),
    "unavailable": Retries(4, 2, "provider_unavailable"),
    # Sent and not answered: nothing more can arrive. Once again if the sender lived, at most twice if it died.
    "unknown": Retries(1, 0, "provider_no_answer"),
    SENDER_DIED: Retries(2, 0, "interrupted"),
    # Answered, but without a whole picture: the operator paid for it; once more, like an unknown outcome.
    "malformed": Retries(1, 1, "bad_picture"),
}
# Kinds of ending after which the provider may have done the work, and how many of them an output may cost before it
# is sent for the last time, however they are mixed: three calls at most are paid for by the operator.
COSTLY = ("unknown", "malformed")
COSTLY_MOST = 2
LONGEST_PAUSE = 120.0
RETRY_AFTER_MOST = 600.0


@dataclasses.dataclass(frozen=True)
class Step:
    """The next thing to do for one open output: send `attempt` after `pause` seconds, or first look in its spool.

    `committed` says whether the attempt's row is there already; one that is not must go through `send_again` first.
    """

    attempt: Attempt
    index: int
    committed: bool
    pause: float = 0.0
    recover: bool = False


def spool_key(generation_id: uuid.UUID, index: int, number: int) -> str:
    """Return where the raw answer of an attempt is kept; derived, so that any host can find it after a crash."""
    return f"spool/{generation_id}/{index}-{number}"


_BEGIN = """
UPDATE generations_generation
SET state = 'running', started_at = now(), moderated_at = now(), deadline_at = now() + %s * interval '1 second'
WHERE id = %s AND lease_epoch = %s AND state IN ('queued', 'running')
RETURNING provider, model, quality, width, height, now(), EXISTS (
    SELECT FROM generations_watch AS watch
    WHERE watch.workspace_id = generations_generation.workspace_id AND watch.until > now()
)
"""
_OPEN = "SELECT id, index FROM generations_output WHERE generation_id = %s AND state = 'open' ORDER BY index"
_DELIVER = """
UPDATE generations_output SET state = 'delivered', image_id = %s, ended_at = statement_timestamp()
WHERE generation_id = %s AND index = %s AND state = 'open'
RETURNING NOT EXISTS (
    SELECT FROM generations_output AS other WHERE other.generation_id = generations_output.generation_id
    AND other.state = 'open' AND other.id <> generations_output.id
)
"""
_FINISH = """
UPDATE generations_attempt
SET state = 'finished', ended_at = statement_timestamp(), usage = %s, cost = %s, request_id = %s
WHERE id = %s
"""


@transaction.atomic(savepoint=False)
def begin(generation_id: uuid.UUID, epoch: int, *, seconds: int) -> tuple[list[Step], bool]:
    """Set a moderated generation running (TX 2): one `sending` attempt for each output, committed before any request.

    Returns the steps, and whether somebody watches this workspace. `seconds` is the time it has from now on.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, [seconds, generation_id, epoch])
        row = cursor.fetchone()
        if row is None:
            raise leasing.Stale(str(generation_id))
        provider, model, quality, width, height, now, watched = row
        cursor.execute(_OPEN, [generation_id])
        slots: list[tuple[int, int]] = cursor.fetchall()
    generation = Generation(
        id=generation_id, provider=provider, model=model, quality=quality, width=width, height=height
    )
    attempts = [_new(generation, Output(id=number, index=index), 1, epoch, now) for number, index in slots]
    Attempt.objects.bulk_create(attempts)
    timeline.record(generation_id, "running", epoch=epoch, provider=provider, model=model)
    steps = [Step(attempt, index, committed=True) for attempt, (_, index) in zip(attempts, slots, strict=True)]
    return steps, bool(watched)


@transaction.atomic
def resume(generation_id: uuid.UUID, epoch: int) -> tuple[list[Step], bool]:
    """Return the step of each open output of a running generation that was taken over or woken."""
    generation = leasing.fence(generation_id, epoch)
    now = clock.now()
    steps = []
    for output in Output.objects.filter(generation_id=generation_id, state=Output.State.OPEN).order_by("index"):
        last = Attempt.objects.filter(output=output).order_by("-number").first()
        if last is None:
            attempt = _new(generation, output, 1, epoch, now)
            attempt.save(force_insert=True)
            steps.append(Step(attempt, output.index, committed=True))
        elif last.state == Attempt.State.SENDING:
            steps.append(Step(last, output.index, committed=True, recover=True))
        else:
            pause = max(0.0, (last.retry_at - now).total_seconds()) if last.retry_at else 0.0
            attempt = _new(generation, output, last.number + 1, epoch, now)
            steps.append(Step(attempt, output.index, committed=False, pause=pause))
    return steps, Watch.objects.filter(workspace_id=generation.workspace_id, until__gt=now).exists()


@transaction.atomic
def send_again(step: Step, generation_id: uuid.UUID, epoch: int) -> Attempt:
    """Commit the `sending` row of a step whose pause is over, right before its request leaves."""
    leasing.fence(generation_id, epoch)
    attempt = step.attempt
    attempt.sent_at = clock.now()
    attempt.epoch = epoch
    attempt.save(force_insert=True)
    return attempt


@transaction.atomic
def failed(
    step: Step,
    generation_id: uuid.UUID,
    epoch: int,
    failure: protocol.ProviderFailure,
    *,
    sender_died: bool = False,
) -> Step | None:
    """Write how an attempt failed; returns the next step of its output, or None when it has failed for good."""
    generation = leasing.fence(generation_id, epoch)
    now = clock.now()
    attempt = step.attempt
    ending = SENDER_DIED if sender_died else failure.kind
    rule = RETRIES[ending]
    earlier = list(
        Attempt.objects.filter(output_id=attempt.output_id, number__lt=attempt.number).values_list(
            "failure_kind", "sender_died"
        )
    )
    tries = earlier.count((failure.kind, sender_died))
    costly = sum(kind in COSTLY for kind, _ in earlier) if failure.kind in COSTLY else 0
    pause = _pause(rule, tries, failure.retry_after)
    in_time = now + datetime.timedelta(seconds=pause) < generation.deadline_at
    again = tries < rule.most and costly < COSTLY_MOST and in_time
    unknown = failure.kind == "unknown"
    Attempt.objects.filter(id=attempt.id).update(
        state=Attempt.State.UNKNOWN if unknown else Attempt.State.FAILED,
        ended_at=now, sender_died=sender_died, failure_kind=failure.kind, failure_code=failure.code[:80],
        raw_error=failure.raw, request_id=failure.request_id[:120],
        cost=costs.of_failure(generation, worked=failure.kind in COSTLY),
        retry_at=now + datetime.timedelta(seconds=pause) if again else None,
    )  # fmt: skip
    timeline.record(
        generation_id, "attempt_failed", epoch=epoch, index=step.index, number=attempt.number, reason=ending,
        again_in=round(pause, 1) if again else None,
    )  # fmt: skip
    if again:
        output = Output(id=attempt.output_id, generation_id=generation_id, index=step.index)
        return Step(_new(generation, output, attempt.number + 1, epoch, now), step.index, committed=False, pause=pause)
    _fail_output(generation, step.index, rule.failure_code, epoch)
    return None


def _pause(rule: Retries, tries: int, retry_after: float | None) -> float:
    pause: float = min(rule.pause * 2**tries, LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311 (jitter, not a secret)
    if retry_after is not None:
        pause = max(pause, min(retry_after, RETRY_AFTER_MOST))
    return pause


@transaction.atomic
def withheld(
    step: Step, generation_id: uuid.UUID, epoch: int, picture: protocol.Picture, categories: Sequence[str]
) -> None:
    """Write that moderation won't let anyone see the picture that was made: the output fails, nothing is stored."""
    generation = leasing.fence(generation_id, epoch)
    Attempt.objects.filter(id=step.attempt.id).update(
        state=Attempt.State.FINISHED,
        ended_at=Now(),
        usage=picture.usage,
        cost=costs.of_answer(generation, picture.usage),
        failure_code=",".join(categories)[:80],
    )
    code = "output_unreadable" if categories is UNREADABLE else "output_withheld"
    _fail_output(generation, step.index, code, epoch)


@transaction.atomic
def fail_output(step: Step, generation_id: uuid.UUID, epoch: int, failure_code: str) -> None:
    """Close an open output for a reason of our own (a reference unreadable, its time over)."""
    _fail_output(leasing.fence(generation_id, epoch), step.index, failure_code, epoch)


def _fail_output(generation: Generation, index: int, failure_code: str, epoch: int) -> None:
    Output.objects.filter(generation=generation, index=index, state=Output.State.OPEN).update(
        state=Output.State.FAILED, failure_code=failure_code, ended_at=Now()
    )
    timeline.record(generation.id, "output_failed", epoch=epoch, index=index, code=failure_code)


@transaction.atomic
def delivered(step: Step, generation_id: uuid.UUID, epoch: int, image: Image, proved: outputs.Proved) -> bool:
    """Deliver one output (TX 3b): image, slot, attempt and notice in one commit, in which it is seen.

    The last one ends the generation and settles it in the same commit (TX 4). Returns whether it has ended.
    """
    generation = leasing.fence(generation_id, epoch)
    image.save(force_insert=True)
    usage = proved.picture.usage
    finished: list[Any] = [Jsonb(usage), costs.of_answer(generation, usage), proved.request_id[:120], step.attempt.id]
    with connection.cursor() as cursor:
        cursor.execute(_DELIVER, [image.id, generation_id, step.index])
        (last,) = cursor.fetchone()  # an open output under our own lease: there is a row
        cursor.execute(_FINISH, finished)
    timeline.record(generation_id, "delivered", epoch=epoch, index=step.index, image=str(image.id))
    if last:
        settlement.end(generation)
    return bool(last)


@transaction.atomic
def previewed(generation_id: uuid.UUID, epoch: int, index: int, number: int) -> None:
    """Note that preview `number` (from 1) of an open output is stored, and tell who watches."""
    generation = leasing.fence(generation_id, epoch)
    if Output.objects.filter(generation=generation, index=index, state=Output.State.OPEN).update(previews=number):
        broadcast.announce_preview(generation.workspace_id, generation_id, index, number)


def _new(generation: Generation, output: Output, number: int, epoch: int, now: datetime.datetime) -> Attempt:
    return Attempt(
        id=ids.uuid7(), output=output, number=number, state=Attempt.State.SENDING, provider=generation.provider,
        epoch=epoch, sent_at=now, spool_key=spool_key(generation.id, output.index, number),
        cost=costs.expected(generation),
    )  # fmt: skip
