"""What images earned and what they cost, summed by the database in one statement for all tables of the margin page.

Money is in millionths of the catalogue's currency, whole in every row before it is summed, so that every table has the
same sum to the last millionth. What counts is what ended in the period.

earned   credits charged, in the measure of the payment that brought them; free ones are worth nothing
refunds  the part of it that went back since: what a payment kept, spread over the credits that it still stands for
cost     every attempt, also those that delivered nothing (`borne`); `maybe` is the part that is only likely
"""

import dataclasses
import datetime
import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import connection

from gesso.core import catalog, costs, currencies
from gesso.staff import margin_periods

_WORK = """
work AS (
    SELECT id, hold_id, model, quality, workspace_id, member_id,
           date_trunc(%(step)s, ended_at AT TIME ZONE %(zone)s)::date AS step
    FROM generations_generation WHERE ended_at >= %(since)s AND ended_at < %(until)s
)"""
# The grants of each payment: its own, and those by which its credits came again (`billing.taking_back`).
_PAID = """
lots AS (
    SELECT grant_id AS lot_id, id AS payment_id FROM billing_payment WHERE grant_id IS NOT NULL
    UNION ALL
    SELECT id, split_part(reference, ':', 2)::bigint FROM credits_creditgrant WHERE reference LIKE 'again:%%'
), taken AS (
    SELECT lots.payment_id, sum(part.captured - part.returned) AS used
    FROM billing_payment AS pay
    JOIN lots ON lots.payment_id = pay.id
    JOIN credits_holdpart AS part ON part.grant_id = lots.lot_id
    WHERE pay.claimed > 0 GROUP BY lots.payment_id
), worth AS (
    SELECT lots.lot_id, pay.credits, pay.amount::numeric * %(unit)s AS amount, pay.currency = %(currency)s AS ours,
           CASE WHEN pay.dispute = 'lost' THEN 0 ELSE (pay.amount - pay.refunded)::numeric * %(unit)s END AS kept,
           GREATEST(pay.credits - pay.claimed, COALESCE(taken.used, 0), 1) AS stands_for
    FROM billing_payment AS pay
    JOIN lots ON lots.payment_id = pay.id
    LEFT JOIN taken ON taken.payment_id = pay.id
    WHERE pay.live OR NOT EXISTS (SELECT FROM billing_payment WHERE live)
)"""
# Money of each part and cost of each attempt add up however they are grouped: first to cells of a few thousand rows.
_CELL = "model, quality, workspace_id, member_id, step"
_EARNED = f"""
earned AS (
    SELECT {_CELL}, 0 AS images, sum(used) AS charged, sum(used) FILTER (WHERE ours) AS paid,
           sum(used) FILTER (WHERE NOT ours) AS elsewhere, sum(gross) FILTER (WHERE ours) AS gross,
           sum(LEAST(gross, round(kept * used / stands_for))) FILTER (WHERE ours) AS kept,
           0 AS cost, 0 AS borne, 0 AS maybe, 0 AS unknown
    FROM (
        SELECT {_CELL}, part.captured - part.returned AS used, worth.ours, worth.kept, worth.stands_for,
               round(worth.amount * (part.captured - part.returned) / worth.credits) AS gross
        FROM work
        JOIN credits_holdpart AS part ON part.hold_id = work.hold_id
        LEFT JOIN worth ON worth.lot_id = part.grant_id
    ) AS parts GROUP BY {_CELL}
)"""  # noqa: S608 (put together from the constants above)
_SPENT = f"""
spent AS (
    SELECT {_CELL}, count(*) FILTER (WHERE delivered AND COALESCE(number, 1) = 1) AS images,
           0 AS charged, 0 AS paid, 0 AS elsewhere, 0 AS gross, 0 AS kept,
           sum(cost) AS cost, sum(cost) FILTER (WHERE NOT (delivered AND state = 'finished')) AS borne,
           sum(cost) FILTER (WHERE state IN ('sending', 'accepted', 'unknown') OR failure_kind = 'malformed') AS maybe,
           count(*) FILTER (WHERE number IS NOT NULL AND cost IS NULL) AS unknown
    FROM (
        SELECT {_CELL}, output.state = 'delivered' AS delivered, try.number, try.state, try.failure_kind,
               CASE WHEN try.provider = 'sandbox' THEN 0
                    WHEN %(rate)s::bigint = 1000000 THEN try.cost
                    ELSE round(try.cost * %(rate)s::bigint / 1000000.0) END AS cost
        FROM work
        JOIN generations_output AS output ON output.generation_id = work.id
        LEFT JOIN generations_attempt AS try ON try.output_id = output.id
    ) AS tries GROUP BY {_CELL}
)"""  # noqa: S608 (put together from the constants above)
_SUMS = """
sums AS (
    SELECT GROUPING(model, quality, workspace_id, step) AS kind, model, quality, workspace_id, member_id, step,
           sum(images) AS images, sum(charged) AS charged, sum(paid) AS paid, sum(elsewhere) AS elsewhere,
           sum(gross) AS gross, sum(kept) AS kept, sum(cost) AS cost, sum(borne) AS borne, sum(maybe) AS maybe,
           sum(unknown) AS unknown
    FROM (SELECT * FROM earned UNION ALL SELECT * FROM spent) AS cells
    GROUP BY GROUPING SETS ((), (model), (quality), (model, quality), (workspace_id, member_id), (step))
)"""
_REPORT = f"""
WITH {_WORK}, {_PAID}, {_EARNED}, {_SPENT}, {_SUMS}
SELECT sums.kind, sums.model, sums.quality, sums.workspace_id, workspace.name, person.email, sums.step, images, charged,
       paid, elsewhere, gross, kept, cost, borne, maybe, unknown
FROM sums
LEFT JOIN accounts_workspace AS workspace ON workspace.id = sums.workspace_id
LEFT JOIN accounts_user AS person ON person.id = sums.member_id
ORDER BY sums.kind, sums.step DESC, kept DESC NULLS LAST, cost DESC NULLS LAST, sums.model, sums.quality, workspace.id,
         person.email
"""  # noqa: S608 (put together from the constants above)
# GROUPING has a bit for each column that was summed over: model 8, quality 4, workspace 2, step 1.
_TOTAL, _MODEL, _QUALITY, _PRICE, _MEMBER, _STEP = 15, 7, 11, 3, 13, 14


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """Sums of one row. `paid` and `elsewhere` are the charged credits that were paid in our or another currency."""

    images: int = 0
    charged: int = 0
    paid: int = 0
    elsewhere: int = 0
    earned: int = 0
    refunds: int = 0
    cost: int = 0
    borne: int = 0
    maybe: int = 0
    unknown: int = 0

    @property
    def margin(self) -> int:
        """What is left of what was earned and kept, after what is known of the cost."""
        return self.earned - self.refunds - self.cost

    @property
    def permille(self) -> int | None:
        """The margin in thousandths of what was earned and kept; None when that is nothing."""
        kept = self.earned - self.refunds
        return costs.rounded(self.margin * 1000, kept) if kept else None


@dataclasses.dataclass(frozen=True)
class Of:
    """What a row is about; what does not apply is empty."""

    model: str = ""
    quality: str = ""
    workspace: uuid.UUID | None = None
    name: str = ""
    member: str = ""
    step: datetime.date | None = None


Lines = list[tuple[Of, Figures]]


@dataclasses.dataclass(frozen=True)
class Report:
    """The whole period and its tables, each with the same sum."""

    total: Figures
    models: Lines
    qualities: Lines
    prices: Lines  # by model and quality
    members: Lines
    steps: Lines


def report(period: margin_periods.Period) -> Report:
    """Return what ended in the period, in one statement."""
    rules = catalog.current()
    with connection.cursor() as cursor:
        cursor.execute(_REPORT, {
            "step": period.step, "zone": settings.TIME_ZONE, "since": period.since, "until": period.until,
            "unit": currencies.unit(rules.currency), "currency": rules.currency, "rate": rules.usd_rate,
        })  # fmt: skip
        rows = cursor.fetchall()
    tables: dict[int, Lines] = {kind: [] for kind in (_TOTAL, _MODEL, _QUALITY, _PRICE, _MEMBER, _STEP)}
    for kind, *row in rows:
        tables[kind].append(_line(row))
    return Report(
        total=tables[_TOTAL][0][1], models=tables[_MODEL], qualities=tables[_QUALITY], prices=tables[_PRICE],
        members=tables[_MEMBER], steps=tables[_STEP],
    )  # fmt: skip


def _line(row: Iterable[Any]) -> tuple[Of, Figures]:
    model, quality, workspace, name, member, step, *sums = row
    images, charged, paid, elsewhere, gross, kept, cost, borne, maybe, unknown = (int(value or 0) for value in sums)
    of = Of(model or "", quality or "", workspace, name or "", member or "", step)
    return of, Figures(
        images=images, charged=charged, paid=paid, elsewhere=elsewhere, earned=gross, refunds=gross - kept, cost=cost,
        borne=borne, maybe=maybe, unknown=unknown,
    )  # fmt: skip
