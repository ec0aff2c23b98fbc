"""The web process: uvicorn around our handler, on a socket that is open before anything else happens.

When it is asked to stop, streams and waits end at once (uvicorn's own shutdown would wait for them for ever), what is
in a thread gets `GRACE_SECONDS`, and the process exits 0.
"""

import asyncio
import contextlib
import socket
import types
from collections.abc import Callable

import django
import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gesso.config import static
from gesso.core import transactions

GRACE_SECONDS = 5
HEADER_BYTES = 64 * 1024  # of one request, all headers together


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at `host`:`port`. Raises OSError when that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that say that they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def run(listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    from gesso.config import settings as gesso_settings

    # To be said before Django first looks at its databases.
    gesso_settings.keep_connections()
    # Six connections in all: the requests' threads, health's, one for the looks of waits and streams, one for notices.
    transactions.use_threads(1)
    django.setup()
    from gesso.config.asgi import Handler  # needs the models

    static.collect()
    proxies = list(settings.GESSO.trusted_proxies)
    handler = Handler()
    config = uvicorn.Config(
        handler,
        http=_BoundedHeads,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Server(config, handler.stop).run(sockets=[listener])


class _BoundedHeads(HttpToolsProtocol):
    """Refuses a request whose head, or whose trailers behind a chunked body, are over HEADER_BYTES.

    uvicorn's parser keeps whatever comes of either. Trailers are dropped besides: nobody here reads any.
    """

    _bytes, _trailers, _in_head = 0, 0, True

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        super().data_received(data)
        # A line that does not end never comes to `on_header`.
        if self._bytes > HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers of this request are too large.")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
            return
        self._trailers += len(name) + len(value)
        if self._trailers > HEADER_BYTES:
            raise ValueError("too large")  # for the parser: it answers 400

    def on_headers_complete(self) -> None:
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > HEADER_BYTES:
            raise ValueError("too large")
        self._bytes, self._trailers, self._in_head = 0, 0, False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bytes, self._in_head = 0, True
        super().on_message_complete()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked_to_stop = asyncio.Event()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def main_loop(self) -> None:
        """Refresh the Date header each second, until asked to stop. Not inherited: uvicorn wakes ten times for it."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._asked_to_stop.wait()

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:  # noqa: ARG002 (uvicorn's signature)
        """Begin to stop; a second signal waits for nobody. Not inherited: uvicorn would raise the signal again."""
        self.force_exit = self.should_exit
        self.should_exit = True
        assert self._loop
        self._loop.call_soon_threadsafe(self._asked_to_stop.set)
        self._loop.call_soon_threadsafe(self._end_streams)
