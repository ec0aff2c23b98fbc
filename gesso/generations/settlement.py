"""How a generation ends: one transaction (TX 4) that captures what was delivered, releases the rest and says so.

Law 3: the hold is closed exactly here, whatever ended the generation. A picture that proves broken later is withdrawn
and its price returned. Who decides that it has ended: `attempts` with the last delivery, `runner`, `lifecycle`.
"""

import uuid

from django.db import connection, transaction
from django.db.models.functions import Now

from gesso.credits import ledger
from gesso.generations import alarms, leasing, timeline
from gesso.generations.models import Generation, Output
from gesso.images.models import Image

# What is read is how the outputs were before the statement, so those that it closes come from its own hand.
_CLOSE = """
WITH closed AS (
    UPDATE generations_output SET state = 'failed', failure_code = %(code)s, ended_at = statement_timestamp()
    WHERE generation_id = %(generation)s AND state = 'open' RETURNING index, state, failure_code
)
SELECT state, failure_code FROM (
    SELECT * FROM closed
    UNION ALL
    SELECT index, state, failure_code FROM generations_output WHERE generation_id = %(generation)s AND state <> 'open'
) AS outputs ORDER BY index
"""
_END = """
UPDATE generations_generation
SET state = %s, failure_code = %s, ended_at = statement_timestamp(), lease_owner = '', lease_expires_at = NULL,
    wake_at = NULL
WHERE id = %s
"""


@transaction.atomic
def settle(generation_id: uuid.UUID, epoch: int, *, failure_code: str = "") -> Generation:
    """End a generation under the lease `epoch`; outputs still open fail with `failure_code`. Raises leasing.Stale."""
    generation = leasing.fence(generation_id, epoch)
    return end(generation, failure_code=failure_code)


def end(generation: Generation, *, failure_code: str = "", canceled: bool = False) -> Generation:
    """End `generation`, whose row the caller holds locked: close its outputs, its hold and its row.

    Delivered outputs are charged, also after a cancel; a generation with at least one is `succeeded`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"code": failure_code or "internal", "generation": generation.id})
        rows: list[tuple[str, str]] = cursor.fetchall()
    delivered = sum(state == Output.State.DELIVERED for state, _ in rows)
    reasons = [code for state, code in rows if state == Output.State.FAILED]
    if canceled:
        state = Generation.State.CANCELED
    else:
        state = Generation.State.SUCCEEDED if delivered else Generation.State.FAILED
    settled = ledger.settle(generation.hold_id, captured=delivered * generation.price_each, by_member=canceled)
    generation.state = state
    generation.failure_code = reasons[0] if reasons else ""
    with connection.cursor() as cursor:
        cursor.execute(_END, [state.value, generation.failure_code, generation.id])
    timeline.record(
        generation.id, state.value, epoch=generation.lease_epoch, delivered=delivered, asked=generation.count,
        charged=settled.captured, returned=settled.released, code=generation.failure_code,
    )  # fmt: skip
    alarms.ring(leasing.next_in_line(generation.workspace_id))
    return generation


@transaction.atomic
def withdraw(image_id: uuid.UUID) -> int:
    """Withdraw a delivered output whose picture proved broken; returns the credits given back (0 if already done).

    Before the end nothing is charged yet, so the slot simply fails. Uploads have no output: nothing happens.
    """
    output = Output.objects.filter(image_id=image_id).first()
    if output is None:
        Image.objects.filter(id=image_id, broken_at=None).update(broken_at=Now())
        return 0
    generation = Generation.objects.select_for_update(no_key=True).get(id=output.generation_id)
    changed = Output.objects.filter(id=output.id, state=Output.State.DELIVERED).update(
        state=Output.State.WITHDRAWN, failure_code="bad_picture"
    )
    if not changed:
        return 0
    Image.objects.filter(id=image_id, broken_at=None).update(broken_at=Now())
    returned = 0
    if generation.ended_at:
        returned = ledger.give_back(
            generation.hold_id,
            amount=generation.price_each,
            reference=f"withdrawn:{image_id}",
            reason="The picture proved broken.",
        )
    timeline.record(generation.id, "withdrawn", epoch=generation.lease_epoch, index=output.index, returned=returned)
    return returned
