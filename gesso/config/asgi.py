"""From the socket to Django: one hop to a small thread pool for the whole of a synchronous request.

Views are ordinary synchronous ones. When a view has returned, its thread and the thread's database connection are free
for the next; whatever lives longer (a stream of events, an answer that is waited for) is iterated on the event loop and
costs neither. Why not Django's own handler: docs/adr/0002-one-hop.md.
"""

import asyncio
import concurrent.futures
import contextvars
import functools
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import IO, Any, TypeVar

import structlog
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import response_for_exception
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from gesso.api import refusals
from gesso.config import bodies, credentials
from gesso.config.bodies import Receive, Scope, Send
from gesso.core.later import Later
from gesso.generations import broadcast

THREADS = 3  # more contend for the interpreter; for more pages, run more processes

HEALTH = frozenset({"/livez", "/readyz"})

T = TypeVar("T")
log = structlog.get_logger()


class Request(ASGIRequest):
    """Django's request, to which a part of a form with strange parameters is a form that can't be read."""

    def parse_file_upload(self, META: Any, post_data: Any) -> Any:  # noqa: N803 (Django's name)
        """Return the fields and files. Raises MultiPartParserError."""
        try:
            return super().parse_file_upload(META, post_data)
        except TypeError as problem:  # from the standard library's reading of a parameter in pieces
            raise MultiPartParserError(repr(problem)) from None


class Handler(ASGIHandler):
    """The ASGI application. `stop` ends its streams and waits; requests in a thread run to their end."""

    request_class = Request

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)  # the synchronous chain: no hop for each middleware
        self._threads = concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        # Questions after health have a thread of their own: a busy process is not a dead one.
        self._aside = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="health")
        self._stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    def stop(self) -> None:
        """End every stream and every wait; to be called on the loop."""
        self._stopping.set()
        broadcast.HUB.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await broadcast.HUB.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await broadcast.HUB.aclose()
        self._threads.shutdown()
        self._aside.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            known = functools.partial(self._in_thread, contextvars.copy_context(), self._knows, scope)
            body = await bodies.read(scope, receive, known)
        except bodies.Refused as refusal:
            await bodies.refuse(refusal, receive, send)
            return
        except RequestAborted:
            return
        # One set of context variables for the request; whatever goes on after the view gets a copy, because
        # a context can't be entered on a thread and on the loop at once.
        context = contextvars.copy_context()
        try:
            threads = self._aside if scope["path"] in HEALTH else self._threads
            loop = asyncio.get_running_loop()
            request, response = await loop.run_in_executor(threads, context.run, self._respond, scope, body)
            if request and isinstance(response, Later):
                await self._race(self._settle(request, response, send, context), receive, context)
            elif not isinstance(response, StreamingHttpResponse):
                await self.send_response(response, send)
            else:
                if not response.is_async:
                    response.streaming_content = self._step(iter(response), response.close, context)
                await self._race(self.send_response(response, send), receive, context)
        finally:
            body.close()

    async def _in_thread(self, context: contextvars.Context, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, function, *args)

    def _knows(self, scope: Scope) -> bool:
        """Say whether the request's credential is a good one; in a pool thread. Raises bodies.Refused."""
        close_old_connections()
        try:
            request, _ = self.create_request(scope, io.BytesIO())
            return request is not None and credentials.good(request)
        except (InterfaceError, OperationalError) as problem:
            told = refusals.describe(problem) or refusals.INTERNAL
            raise bodies.Refused(told.status, told.code, told.message) from problem
        finally:
            close_old_connections()

    def _respond(self, scope: Scope, body: IO[bytes]) -> tuple[ASGIRequest | None, HttpResponseBase]:
        """Run Django from the first middleware to the last; in a pool thread, from beginning to end."""
        signals.request_started.send(sender=type(self), scope=scope)
        set_script_prefix("/")
        request, refused = self.create_request(scope, body)
        if request is None:
            assert refused
            return None, refused
        response = self.get_response(request)
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        lives_on_the_loop = isinstance(response, Later) or getattr(response, "is_async", False)
        if lives_on_the_loop or not response.streaming:
            response.close()  # request_finished, on this thread: what it holds is given back
        return request, response

    async def _settle(self, request: ASGIRequest, later: Later, send: Send, context: contextvars.Context) -> None:
        """Wait, then send what there is to say; when this process is asked to stop, say that instead."""
        waiting = asyncio.ensure_future(later.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
            build = later.interrupted if self._stopping.is_set() else later.finish
            if waiting.done() and (problem := waiting.exception()):
                log.error("a wait failed; its answer says what is known", exc_info=problem)
        finally:
            waiting.cancel()
            stopping.cancel()
            await asyncio.gather(waiting, stopping, return_exceptions=True)

        def finish() -> HttpResponse:
            try:
                return build()
            except Exception as problem:  # noqa: BLE001 (a view's failure: Django logs it and draws the error page)
                return response_for_exception(request, problem)
            finally:
                close_old_connections()

        final = await self._in_thread(context.copy(), finish)
        later.hand_over(final)
        await self.send_response(final, send)

    async def _step(
        self, chunks: Iterator[bytes], close: Callable[[], None], context: contextvars.Context
    ) -> AsyncIterator[bytes]:
        """Iterate a synchronous stream (a file, an archive), each chunk in a pool thread.

        Chunks may come from different threads, so an iterator must not keep a query open between two of them.
        """

        def advance() -> bytes | None:
            try:
                return next(chunks, None)
            finally:
                close_old_connections()

        step: asyncio.Future[bytes | None] | None = None
        try:
            while True:
                step = asyncio.ensure_future(self._in_thread(context.copy(), advance))
                chunk = await asyncio.shield(step)
                if chunk is None:
                    return
                yield chunk
        finally:
            if step:
                await asyncio.wait((step,))  # a thread may still be inside the iterator
            await self._in_thread(context.copy(), close)

    async def _race(self, work: Coroutine[Any, Any, None], receive: Receive, context: contextvars.Context) -> None:
        """Do `work` until it ends or the client hangs up; whichever ends first ends the other."""
        working = asyncio.create_task(work, context=context.copy())
        listening = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, listening):
                task.cancel()
            for result in await asyncio.gather(working, listening, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, RequestAborted):
                    log.error("a response failed while it was sent", exc_info=result)
