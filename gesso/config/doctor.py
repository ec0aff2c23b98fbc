"""`gesso doctor`: proves the invariants of credits, money, generations and images on a running or stopped install.

Everything is read in one snapshot of the database, so that work in hand is seen whole: what a transaction changes
together is never seen half done. Nothing is repaired. What each invariant means is beside its proof in the rooms; those
not listed here are proved by tests alone. What a decoder of pictures gives up on this machine is told and not judged:
the system decides it.
"""

import dataclasses
import sys
import textwrap
from collections.abc import Callable, Sequence

import orjson
from django.db import connection, transaction

from gesso.billing import proof as money
from gesso.core import clock
from gesso.core.violations import Violation
from gesso.credits import proof as books
from gesso.generations import proof as work
from gesso.generations import recovery
from gesso.images import decoding
from gesso.images import proof as pictures
from gesso.webhooks import proof as webhooks

SHOWN = 50  # violations of one invariant that are printed; the JSON document has them all
WIDTH = 100
QUIET_SECONDS = 30  # the recovery loop of a living worker goes round every five

Proof = Callable[[], list[Violation]]


@dataclasses.dataclass(frozen=True)
class Invariant:
    """One promise: its number, what it says, its proof, and the table whose rows are checked (empty: none)."""

    number: str
    sentence: str
    proof: Proof
    what: str = ""
    table: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one proof found: how many rows were checked (None: not rows) and which of them are not as they must be."""

    invariant: Invariant
    checked: int | None
    violations: list[Violation]


_IN_HAND = "(SELECT 1 FROM generations_generation WHERE state IN ('queued', 'running')) AS open"
_ENDED = "(SELECT 1 FROM generations_generation WHERE ended_at IS NOT NULL) AS ended"
INVARIANTS = (
    Invariant(
        "I-1", "Entries add up to every grant, every balance and every debt.",
        books.conservation, "entries", "credits_creditentry",
    ),
    Invariant(
        "I-2", "No bucket of a grant is below nothing, and its buckets add up to its amount.",
        books.never_negative, "grants", "credits_creditgrant",
    ),
    Invariant(
        "I-3", "Each hold ends once: captured and released are its amount, and its entries say the same.",
        books.holds_end_once, "holds", "credits_credithold",
    ),
    Invariant(
        "I-4", "No generation runs or waits past its time; its hold is open exactly as long as it is.",
        work.ends_in_time, "generations", "generations_generation",
    ),
    Invariant(
        "I-5", "No lease is past its end without somebody taking over.",
        work.leases_are_taken_over, "generations in hand", _IN_HAND,
    ),
    Invariant(
        "I-6", "Every image has its bytes; of the newest and of some others the hash is compared.",
        pictures.rows_have_objects, "images", "images_image",
    ),
    Invariant("I-7", "Nothing older than a day is stored without a row.", pictures.objects_have_rows),
    Invariant(
        "I-9", "What is charged is the price of the images that can be seen, to the credit.",
        work.charged_for_what_is_seen, "ended generations", _ENDED,
    ),
    Invariant(
        "I-10", "A generation has one slot for each image asked for.",
        work.slots_are_those_asked_for, "generations", "generations_generation",
    ),
    Invariant(
        "I-12", "States move along their graph only, and what ended stays ended.",
        work.states_follow_the_graph, "generations", "generations_generation",
    ),
    Invariant(
        "I-13", "Timelines have no gaps, and a line for each image delivered or withdrawn.",
        work.timelines_are_whole, "timeline lines", "generations_generationevent",
    ),
    Invariant(
        "I-15", "Each event of a gateway counts once, each paid order brought its credits once, refunds took theirs.",
        lambda: [*money.paid_once(), *webhooks.heard_once()], "payments", "billing_payment",
    ),
    Invariant(
        "I-17", "What is in hand will be looked at again; no job works on what ended long ago.",
        work.alarms_are_set, "generations in hand", _IN_HAND,
    ),
)  # fmt: skip


def run(*, json: bool) -> int:
    """Prove every invariant and print what was found, as lines or as one JSON document.

    Returns the exit status: 0 when everything holds, 1 when anything does not.
    """
    findings, document = examine()
    if json:
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(findings, quiet=_nobody_works())
    return 0 if document["ok"] else 1


def examine() -> tuple[list[Finding], dict[str, object]]:
    """Return what the proofs find in one snapshot of the database, as rows and as the document of `--json`."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        at = clock.now()
        findings = [
            Finding(invariant, _count(invariant), sorted(invariant.proof(), key=lambda found: found.subject))
            for invariant in INVARIANTS
        ]
    document: dict[str, object] = {
        "ok": not any(finding.violations for finding in findings),
        "at": at.isoformat(),
        "invariants": [_document(finding) for finding in findings],
    }
    return findings, document


def _count(invariant: Invariant) -> int | None:
    if not invariant.table:
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {invariant.table}")  # noqa: S608 (written above)
        (rows,) = cursor.fetchone()
    return int(rows)


def _document(finding: Finding) -> dict[str, object]:
    return {
        "invariant": finding.invariant.number,
        "sentence": finding.invariant.sentence,
        "holds": not finding.violations,
        "checked": finding.checked,
        "of": finding.invariant.what or None,
        "violations": [{"subject": found.subject, "sentence": found.sentence} for found in finding.violations],
    }


def _nobody_works() -> bool:
    age = recovery.last_sweep_age()
    return age is None or age > QUIET_SECONDS


def _print(findings: Sequence[Finding], *, quiet: bool) -> None:
    lines = []
    for finding in findings:
        lines.append(_line(finding))
        shown = finding.violations[:SHOWN]
        lines += [f"        {found.subject}: {found.sentence}" for found in shown]
        if more := len(finding.violations) - len(shown):
            lines.append(f"        and {more} more; --json names them all.")
    lines.append(textwrap.fill(f"Pictures are decoded apart: {decoding.isolation()}.", WIDTH))
    broken = sum(bool(finding.violations) for finding in findings)
    lines.append(f"{broken} of {len(findings)} do not hold." if broken else f"All {len(findings)} hold.")
    if quiet:
        lines.append("No worker is running now: what waits, waits for one.")
    sys.stdout.write("\n".join(lines) + "\n")


def _line(finding: Finding) -> str:
    wrong = len(finding.violations)
    word = f"{wrong} wrong" if wrong else "holds"
    counted = "" if finding.checked is None else f" {finding.checked} {finding.invariant.what} checked."
    start = f"{finding.invariant.number:<5} {word:<9} "
    return textwrap.fill(
        finding.invariant.sentence + counted, WIDTH, initial_indent=start, subsequent_indent=" " * len(start)
    )
