"""What the log says: a line of JSON for each record, with a traceback for our own faults alone."""

import io
import json
import logging

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from tests import world

pytestmark = pytest.mark.django_db


def broken(_request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("a fault of ours")


urlpatterns = [path("broken", broken)]


@pytest.fixture
def lines(monkeypatch):
    """Return what was logged through the standard library until then."""
    heard = io.StringIO()
    [handler] = [each for each in logging.root.handlers if type(each) is logging.StreamHandler]
    monkeypatch.setattr(handler, "stream", heard)
    return lambda: [json.loads(line) for line in heard.getvalue().splitlines()]


@pytest.fixture
def browser():
    client = Client(raise_request_exception=False)
    client.force_login(world.person().user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.parametrize(
    ("ask", "level", "logger"),
    [
        (
            lambda client: client.get("/", headers={"host": "elsewhere.example"}),
            "error",
            "django.security.DisallowedHost",
        ),
        (
            lambda client: client.post("/settings", {f"field{number}": "x" for number in range(201)}),
            "error",
            "django.security.TooManyFieldsSent",
        ),
        (lambda client: client.get("/credits?cursor=x"), "warning", "django.request"),
    ],
)
def test_what_a_client_did_wrong_is_a_line_without_a_traceback(browser, lines, ask, level, logger):
    assert ask(browser).status_code == 400
    assert lines()
    assert {(line["level"], line["logger"], "exception" in line) for line in lines()} <= {
        (level, logger, False),
        ("warning", "django.request", False),
    }
    assert (level, logger) in {(line["level"], line["logger"]) for line in lines()}


def test_what_is_our_fault_keeps_its_traceback(lines, settings):
    settings.ROOT_URLCONF = __name__
    assert Client(raise_request_exception=False).get("/broken").status_code == 500
    [line] = lines()
    assert (line["event"], line["level"], line["logger"]) == (
        "Internal Server Error: /broken",
        "error",
        "django.request",
    )
    assert line["exception"].startswith("Traceback") and "a fault of ours" in line["exception"]


def test_a_librarys_record_is_a_line_like_one_of_ours(lines, capsys):
    ours = structlog.wrap_logger(structlog.WriteLogger())
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        ours.warning("two\nlines", number=1)
        logging.getLogger("uvicorn.error").warning("two\n%s", "lines")
    mine, theirs = json.loads(capsys.readouterr().out), lines()[0]
    assert theirs.pop("logger") == "uvicorn.error" and mine.pop("number") == 1
    assert mine | {"timestamp": ""} == theirs | {"timestamp": ""}
