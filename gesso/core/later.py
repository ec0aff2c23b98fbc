"""An answer that is not known yet: a synchronous view returns it at once, and its thread is free while we wait.

The server (`config.asgi`) awaits `wait` on the event loop, then runs `finish` in a database thread and sends what it
returns. What middleware put on this placeholder (headers, cookies) goes with the real answer.
"""

from collections.abc import Awaitable, Callable

import orjson
from django.http import HttpResponse, StreamingHttpResponse

RETRY_AFTER = 2  # seconds; a restart takes less


def restarting() -> HttpResponse:
    """Return the answer for a wait that the end of this process cut short: 503, and when to come back."""
    error = {
        "code": "restarting",
        "type": "server_error",
        "param": None,
        "message": "Gesso is restarting. Your generation goes on; look it up or repeat the request in a moment.",
    }
    return HttpResponse(
        orjson.dumps({"error": error}),
        status=503,
        content_type="application/json",
        headers={"Retry-After": str(RETRY_AFTER)},
    )


class Later(StreamingHttpResponse):
    """Stands for the response that `finish()` builds once `wait()` is over.

    `wait` must subscribe before it looks, and look again now and then: a notice is a hint and may be lost. It is
    canceled when the client hangs up or this process ends; in the latter case `interrupted()` is sent instead.
    `finish` and `interrupted` are synchronous and may use the database.
    """

    # A streaming response, so that no middleware measures its empty body.

    def __init__(
        self,
        wait: Callable[[], Awaitable[None]],
        finish: Callable[[], HttpResponse],
        *,
        interrupted: Callable[[], HttpResponse] = restarting,
    ) -> None:
        super().__init__(())
        del self.headers["Content-Type"]  # the real answer's own
        self.wait = wait
        self.finish = finish
        self.interrupted = interrupted

    def hand_over(self, final: HttpResponse) -> None:
        """Give `final` the headers and cookies that were put on this placeholder, but none that it has itself."""
        for name, value in self.headers.items():
            if name.lower() != "content-length":
                final.headers.setdefault(name, value)
        for name, morsel in self.cookies.items():
            if name not in final.cookies:
                final.cookies[name] = morsel
