"""What is said when a request can't be served: one table from what went wrong to a status and a stable code.

Both APIs draw from it, each in its own envelope (`door`). A code, once given out, keeps its meaning. Why a generation
brought nothing is not here but in `generations.failures`.
"""

import dataclasses

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from gesso.credits import ledger
from gesso.generations import lifecycle, member_caps, queries, spec, submission
from gesso.images import decoding, intake, storage, uploads
from gesso.library import search


@dataclasses.dataclass(frozen=True)
class Told:
    """A refusal as a client hears it; `retry_after` in seconds, 0 for none."""

    status: int
    code: str
    message: str
    field: str = ""
    retry_after: int = 0


class Refusal(Exception):
    """The door itself refuses the request: it can't be read, or the caller may not ask for this."""

    def __init__(self, status: int, code: str, message: str, *, field: str = "", retry_after: int = 0) -> None:
        super().__init__(message)
        self.told = Told(status, code, message, field, retry_after)


@dataclasses.dataclass(frozen=True)
class _Row:
    """`sentence` empty: what went wrong says it itself."""

    status: int
    code: str
    sentence: str = ""
    retry_after: int = 0


NOT_FOUND = Told(404, "not_found", "There is nothing here, or it belongs to another workspace.")
INTERNAL = Told(
    500, "internal", "Something went wrong on our side. Look into the history before you repeat this: it may be done."
)
_UNREACHABLE = _Row(503, "database_unavailable", "The database can't be reached just now. Try again in a moment.", 5)

TABLE: dict[type[Exception], _Row] = {
    Http404: _Row(404, NOT_FOUND.code, NOT_FOUND.message),
    MultiPartParserError: _Row(400, "bad_multipart", "The multipart body can't be read."),
    TooManyFieldsSent: _Row(400, "too_many_fields", "The form has too many fields."),
    TooManyFilesSent: _Row(400, "too_many_files", "The form has too many files."),
    UnreadablePostError: _Row(400, "bad_multipart", "The body ended before it was whole."),
    RequestDataTooBig: _Row(413, "request_too_large", "The body is larger than is accepted here."),
    OperationalError: _UNREACHABLE,
    InterfaceError: _UNREACHABLE,
    storage.Unavailable: _Row(503, "storage_unavailable", "The image storage can't be reached just now.", 5),
    decoding.Unavailable: _Row(503, "decoder_unavailable", "Pictures can't be opened just now.", 5),
    storage.Missing: _Row(404, "image_gone", "The bytes of this image are no longer there."),
    uploads.QuotaExceeded: _Row(429, "upload_quota", "", 600),
    submission.Blocked: _Row(400, "moderation_blocked"),
    submission.IdempotencyConflict: _Row(409, "idempotency_conflict"),
    submission.IdTaken: _Row(409, "id_taken"),
    submission.Suspended: _Row(403, "suspended"),
    submission.NeedsApproval: _Row(403, "needs_approval"),
    member_caps.OverAllowance: _Row(403, "over_allowance"),
    ledger.InsufficientCredits: _Row(402, "insufficient_credits"),
    ledger.InDebt: _Row(402, "in_debt"),
    lifecycle.NoSuchGeneration: _Row(404, NOT_FOUND.code, NOT_FOUND.message),
    lifecycle.AlreadyEnded: _Row(409, "already_ended"),
    lifecycle.NothingMissing: _Row(409, "nothing_missing"),
    queries.BadCursor: _Row(400, "bad_cursor"),
    search.BadCursor: _Row(400, "bad_cursor"),
}


def describe(problem: Exception) -> Told | None:
    """Return what a client is told about `problem`; None for one that is our own fault."""
    match problem:
        case Refusal():
            return problem.told
        case spec.BadSpec():
            first = problem.mistakes[0]
            return Told(400, first.code, first.message, first.field)
        case intake.Refused():
            return Told(400, problem.code, str(problem))
        case submission.Overloaded():
            return Told(429, "overloaded", str(problem), retry_after=problem.retry_after)
    for kind in type(problem).__mro__:
        if row := TABLE.get(kind):
            return Told(row.status, row.code, row.sentence or str(problem), retry_after=row.retry_after)
    return None
