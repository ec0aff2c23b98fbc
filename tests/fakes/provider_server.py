"""The fake provider as a bare ASGI application: routes, the journal, and how an answer goes wrong on the wire.

Each call becomes one row of the journal when it is received, before anything is decided about it.
"""

import collections
import contextlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes import provider_answers, provider_faults, provider_requests
from tests.fakes.provider_wire import Call, Gone, Receive, Scope, Send, body_of

MODELS = ("gpt-image-2", "gpt-image-1.5", "gpt-image-1-mini", "omni-moderation-latest")
_KEPT_HEADERS = (
    "idempotency-key",
    "x-client-request-id",
    "user-agent",
    "x-stainless-retry-count",
    "content-type",
    "cookie",
)
_ROWS = 100_000
_TRICKLE_SECONDS = 1.0


class Server:
    """One fake provider: its script, its journal, its pictures so far."""

    def __init__(self, settings: provider_faults.Settings, *, seed: int) -> None:
        self._script = provider_faults.Script(settings, seed)
        self._journal: collections.deque[dict[str, Any]] = collections.deque(maxlen=_ROWS)
        self._numbers = itertools.count(1)
        self._flagged: dict[str, tuple[str, ...]] = {}  # pictures made for a prompt with flag-output, by SHA-256

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await body_of(receive)
        call = Call(scope, receive, send)
        path, method = scope["path"], scope["method"]
        if path in {"/_journal", "/_control"}:
            await call.answer_json(*self._desk(path, method, body))
            return
        row = self._write(scope)
        with _left_noted(row, call):
            door = path.rsplit("/", 1)[-1]
            if (
                not call.headers.get("authorization", "").startswith("Bearer ")
                or call.headers["authorization"] == "Bearer "
            ):
                await self._refuse(call, row, *provider_faults.refusal("bad-key", {}))
            elif method == "POST" and path.endswith(("/images/generations", "/images/edits")):
                await self._images(call, row, door, body)
            elif method == "POST" and door == "moderations":
                await self._moderations(call, row, body)
            elif method == "GET" and door == "models":
                rows = [{"id": name, "object": "model", "created": 0, "owned_by": "fake"} for name in MODELS]
                row["outcome"] = "completed"
                await call.answer_json(200, {"object": "list", "data": rows})
            else:
                error = {
                    "message": f"Invalid URL ({method} {path})",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                }
                await self._refuse(call, row, 404, error)

    def _desk(self, path: str, method: str, body: bytes) -> tuple[int, object]:
        """Answer the tests themselves."""
        if path == "/_journal":
            rows = list(self._journal)
            if method == "DELETE":
                self._journal.clear()
                self._flagged.clear()
                self._script.forget()
            return 200, rows
        try:
            if method == "DELETE":
                self._script.reset()
            return 200, self._script.change(json.loads(body) if method == "POST" else {})
        except (ValueError, TypeError) as error:
            return 400, {"error": str(error)}

    def _write(self, scope: Scope) -> dict[str, Any]:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        row: dict[str, Any] = {
            "number": next(self._numbers), "at": time.time(), "path": scope["path"], "method": scope["method"],
            "prompt": "", "model": "", "size": "", "quality": "", "background": "", "format": "", "n": 0,
            "stream": False, "partials": 0, "end_user": "", "references": [], "pictures": [],
            "headers": {name: headers[name] for name in _KEPT_HEADERS if name in headers},
            "outcome": "working", "accepted": False, "answered": False, "seconds": None, "colours": [], "made": [],
        }  # fmt: skip
        self._journal.append(row)
        return row

    async def _refuse(
        self,
        call: Call,
        row: dict[str, Any],
        status: int,
        error: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        row["outcome"] = str(error["code"] or status)
        await call.answer_json(status, {"error": error}, headers)

    async def _images(self, call: Call, row: dict[str, Any], door: str, body: bytes) -> None:
        try:
            wanted = provider_requests.read_images(door, call.headers.get("content-type", ""), body)
            row.update(
                prompt=wanted.prompt, model=wanted.model, size=wanted.size, quality=wanted.quality, format=wanted.family,
                background=wanted.background, n=wanted.count, stream=wanted.stream, partials=wanted.partials,
                end_user=wanted.end_user,
                references=[
                    {"sha256": provider_requests.digest(one.data), "bytes": len(one.data), "name": one.name, "media_type": one.media_type}
                    for one in wanted.references
                ],
            )  # fmt: skip
            plan = self._script.for_images(wanted.prompt)
        except provider_requests.Mistake as mistake:
            await self._refuse(call, row, 400, mistake.error)
            return
        except ValueError as error:
            await self._refuse(
                call, row, 400, {"message": str(error), "type": "fake", "param": None, "code": "fake_does_not_know"}
            )
            return
        if plan.refusal:
            await call.pause(plan.latency)
            await self._refuse(call, row, *plan.refusal, _retry_headers(plan))
            return
        row["accepted"] = True
        if plan.fault == "hang":
            await call.hang()
        answer = provider_answers.make(wanted, plan, row["number"], self._script.settings.image_bytes)
        row["colours"], row["made"] = answer.colours, answer.digests
        if plan.flags:
            self._flagged |= dict.fromkeys(answer.digests, plan.flags)
        if answer.events:
            await self._stream(call, row, plan, answer)
        else:
            await call.pause(plan.latency)
            await self._deliver(call, row, plan, answer.media_type, answer.chunks)

    async def _stream(
        self, call: Call, row: dict[str, Any], plan: provider_faults.Plan, answer: provider_answers.Answer
    ) -> None:
        """Send events with the latency spread between them; the last one takes the faults of the wire."""
        pause = plan.latency / len(answer.events)
        await call.start(200, {"content-type": "text/event-stream; charset=utf-8"})
        for event in answer.events[:-1]:
            await call.pause(pause)
            await call.send_bytes(event)
        await call.pause(pause)
        await self._deliver(call, row, plan, "", [answer.events[-1]])

    async def _deliver(
        self, call: Call, row: dict[str, Any], plan: provider_faults.Plan, media_type: str, chunks: list[bytes]
    ) -> None:
        size = sum(len(chunk) for chunk in chunks)
        row["outcome"] = plan.fault or "completed"
        if plan.fault == "drop":
            call.cut()
            raise Gone
        if media_type:
            await call.start(200, {"content-type": media_type, "content-length": str(size)})
        if plan.fault in {"truncated", "stall", "trickle"}:
            whole = b"".join(chunks)
            await call.send_bytes(whole[: size // 2])
            if plan.fault == "truncated":
                call.cut()
                raise Gone
            if plan.fault == "stall":
                await call.hang()
            for place in range(size // 2, size):
                await call.pause(_TRICKLE_SECONDS)
                await call.send_bytes(whole[place : place + 1])
        else:
            for chunk in chunks:
                await call.send_bytes(chunk)
        await call.end()

    async def _moderations(self, call: Call, row: dict[str, Any], body: bytes) -> None:
        try:
            text, pictures = provider_requests.read_moderation(body)
            plan = self._script.for_moderation(text)
        except provider_requests.Mistake as mistake:
            await self._refuse(call, row, 400, mistake.error)
            return
        digests = [provider_requests.digest(data) for data in pictures]
        row.update(prompt=text, model=json.loads(body).get("model", ""), pictures=digests)
        if plan.fault == "hang":
            await call.hang()
        await call.pause(plan.latency)
        if plan.refusal:
            await self._refuse(call, row, *plan.refusal, _retry_headers(plan))
            return
        found = {*plan.flags, *(name for one in digests for name in self._flagged.get(one, ()))}
        answer = json.dumps(provider_answers.moderation(row["model"], found, row["number"])).encode()
        made = provider_answers.spoiled(plan.fault)
        await self._deliver(call, row, plan, *(made or ("application/json", [answer])))


@contextlib.contextmanager
def _left_noted(row: dict[str, Any], call: Call) -> Iterator[None]:
    """Note in the journal how a call ended."""
    begun = time.monotonic()
    try:
        yield
    except Gone:
        row["outcome"] = "client left" if row["outcome"] == "working" else row["outcome"]
    else:
        row["answered"] = not call.gone()
    finally:
        row["seconds"] = round(time.monotonic() - begun, 4)
        call.stop_watching()


def _retry_headers(plan: provider_faults.Plan) -> dict[str, str]:
    names = {"retry-after": "retry", "retry-after-ms": "retry-ms"}
    return {header: plan.options[option] for header, option in names.items() if option in plan.options}
