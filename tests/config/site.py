"""A small site behind the real server, for test_asgi: `python -m tests.config.site FD` serves the socket FD."""

import asyncio
import os
import socket
import sys
import threading
import time
import uuid

import django
from django.conf import settings
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.urls import path
from django.utils.module_loading import import_string

from gesso.core.later import Later
from gesso.generations import broadcast

WORKSPACE = uuid.UUID(int=1)
SEEN = {"waits": 0, "canceled_waits": 0, "closed_files": 0, "credentials_looked_at": 0}


def echo(request):
    return JsonResponse({"length": len(request.read()), "thread": threading.current_thread().name})


def fields(request):
    try:
        return JsonResponse(dict(request.POST))
    except MultiPartParserError:
        return HttpResponse(status=400)  # as Django answers, but its page needs a session


def headers(request):
    return JsonResponse(sorted(name.decode() for name, _ in request.scope["headers"]), safe=False)


def state(request):
    from django.db import connection

    waiting = sum(len(group) for group in broadcast.HUB._subscriptions.values())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [os.environ["PGAPPNAME"]])
        (open_,) = cursor.fetchone()
    return JsonResponse({**SEEN, "subscriptions": waiting, "connections": open_, "threads": threading.active_count()})


def stream(request):
    from django.db import connection

    with connection.cursor() as cursor:  # uses its thread's connection, which must be free before the first byte
        cursor.execute("SELECT 1")

    async def events():
        async with broadcast.HUB.subscribe(WORKSPACE) as subscription:
            yield b"begin\n"
            while notice := await subscription.get(60):
                yield f"{notice.kind} {notice.generation_id}\n".encode()
            yield b"end\n"

    response = StreamingHttpResponse(events(), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    return response


def later(request):
    async def wait():
        SEEN["waits"] += 1
        try:
            await asyncio.sleep(float(request.GET["seconds"]))
        except asyncio.CancelledError:
            SEEN["canceled_waits"] += 1
            raise

    def finish():
        if "fail" in request.GET:
            raise RuntimeError("the last step failed")
        return HttpResponse("done", status=201, headers={"X-Own": "finish"})

    response = Later(wait, finish)
    response["X-Own"] = "placeholder"
    response["X-Request-Id"] = "r-1"
    response.set_cookie("seen", "yes")
    return response


def file(request):
    class Endless:
        def read(self, size):
            time.sleep(0.01)
            return b"x" * size

        def close(self):
            SEEN["closed_files"] += 1

    return FileResponse(Endless(), content_type="application/octet-stream")


def archive(request):
    return StreamingHttpResponse(b"%d\n" % number for number in range(1000))


def crash(request):
    raise RuntimeError("a view failed")


def good(request):
    """In the place of `credentials.good`: this site's database has no tables."""
    from django.db import OperationalError

    SEEN["credentials_looked_at"] += 1
    if request.headers.get("Authorization") == "Bearer unknowable":
        raise OperationalError("no database")
    shown = request.headers.get("Authorization"), request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    return "Bearer good" in shown or "good" in shown


urlpatterns = [
    path("echo", echo),
    path("fields", fields),
    path("headers", headers),
    path("state", state),
    path("stream", stream),
    path("later", later),
    path("file", file),
    path("archive", archive),
    path("crash", crash),
]


def main():
    os.environ["DJANGO_SETTINGS_MODULE"] = "gesso.config.settings"
    os.environ["PGAPPNAME"] = f"site {os.getpid()}"
    settings.ROOT_URLCONF = "tests.config.site"
    settings.MIDDLEWARE = [
        "django.middleware.common.CommonMiddleware",
        "allauth.account.middleware.AccountMiddleware",  # allauth does not start without it
    ]
    # Tests cut this connection, and several sites share a database.
    words = broadcast.connection_words
    broadcast.connection_words = lambda: words() | {"application_name": f"site {os.getpid()} notices"}
    from gesso.config import bodies, web
    from gesso.config import settings as gesso_settings

    gesso_settings.keep_connections()
    django.setup()
    from gesso.config import credentials

    credentials.good = import_string("tests.config.site.good")  # of the module that serves: this one is `__main__`
    bodies.IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", bodies.IDLE_SECONDS))
    web.run(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
