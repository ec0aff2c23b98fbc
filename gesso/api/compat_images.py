"""OpenAI's images API: generations and edits. A call waits for its images; who hangs up finds them in the history.

The work is an ordinary generation, submitted in one short transaction; nothing is held while the call waits.
"""

import hashlib
import io
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from gesso.api import asked, compat_answer, compat_references, compat_request, door, keys, waiting
from gesso.api.compat_answer import Asked
from gesso.api.compat_errors import theirs
from gesso.api.keys import Caller
from gesso.core.later import Later
from gesso.generations import submission
from gesso.generations.models import Generation


@require_POST
def generate(request: HttpRequest) -> HttpResponseBase:
    """POST /v1/images/generations: images from a prompt."""
    caller = keys.caller(request)
    values = asked.json_object(request)
    wanted = compat_request.read(values)
    caller.must("generate")
    idempotency = asked.idempotency(request, values)
    made = submission.submit(caller.workspace, caller.user, [wanted], idempotency=idempotency)[0]
    return _later(caller, made, repeatable=idempotency is not None)


@require_POST
def edit(request: HttpRequest) -> HttpResponseBase:
    """POST /v1/images/edits: images from a prompt and up to five pictures, which are kept as uploads."""
    caller = keys.caller(request)
    fields, files = asked.form(request, files=compat_references.FIELDS)
    values = compat_request.plain_form(fields)
    pictures = compat_references.pictures(files)
    compat_request.read(values, references=compat_references.stand_ins(pictures))  # refused before anything is stored
    caller.must("generate")
    hashes = [hashlib.file_digest(cast("io.BufferedReader", file.file), "sha256").hexdigest() for file in pictures]
    idempotency = asked.idempotency(request, [values, hashes])
    made = compat_references.submit(caller, values, pictures, idempotency)
    return _later(caller, made, repeatable=idempotency is not None)


def _later(caller: Caller, generation: Generation, *, repeatable: bool) -> Later:
    about = Asked(caller.workspace.id, generation.id, repeatable)

    def finish() -> HttpResponse:
        try:
            return compat_answer.finished(about)
        except Exception as problem:  # noqa: BLE001 (the door refuses it, with what a repeat would do)
            return compat_answer.unfinished(about, door.refuse(problem, theirs))

    return Later(
        lambda: waiting.until_ended(about.workspace_id, about.generation_id),
        finish,
        interrupted=lambda: compat_answer.interrupted(about),
    )
