"""HTTP for the fake Stripe: bearer keys, idempotency keys, API versions, faults, and the hosted pages."""

import dataclasses
import http.server
import json
import secrets
import urllib.parse
from typing import Any

from tests.fakes import stripe_form, stripe_life, stripe_page
from tests.fakes.stripe_api import Api, Mistake
from tests.fakes.stripe_book import API_VERSION


@dataclasses.dataclass
class Fault:
    """What the next `times` calls of the API get instead of an answer: a status, or 0 for a broken connection.

    `after` has the call done first, so that only its answer is lost.
    """

    status: int
    times: int
    after: bool = False


class Server(http.server.ThreadingHTTPServer):
    """The listening side. `journal` keeps (method, path, parameters, headers) of each call of the API."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, api: Api, api_key: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.api = api
        self.api_key = api_key
        self.faults: list[Fault] = []
        self.journal: list[tuple[str, str, dict[str, Any], dict[str, str]]] = []
        self.answers: dict[str, tuple[str, int, bytes]] = {}  # by idempotency key
        api.origin = self.origin

    @property
    def origin(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self) -> Fault | None:
        """Return what goes wrong with the call in hand."""
        while self.faults:
            if self.faults[0].times > 0:
                self.faults[0].times -= 1
                return self.faults[0]
            self.faults.pop(0)
        return None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: apart, the body would wait for the client's acknowledgement
    server: Server

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a GET."""
        self._serve("GET")

    def do_POST(self) -> None:
        """Answer a POST."""
        self._serve("POST")

    def do_DELETE(self) -> None:
        """Answer a DELETE."""
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        path, _, query = self.path.partition("?")
        if path.startswith("/v1/"):
            self._api(method, path, body if method == "POST" else query)
        elif path.startswith("/c/pay/"):
            self._checkout(path.rsplit("/", 1)[-1], body if method == "POST" else "")
        elif path.startswith("/p/session/"):
            found = self.server.api.book.find(path.rsplit("/", 1)[-1], "billing_portal.session")
            self._html(200 if found else 404, stripe_page.portal(found) if found else "")
        else:
            self._html(404, "")

    def _api(self, method: str, path: str, text: str) -> None:
        server = self.server
        params = stripe_form.parse(text)
        server.journal.append((method, path, params, {name.lower(): value for name, value in self.headers.items()}))
        with server.api.book.lock:
            fault = server.fault()
            if fault and not fault.after:
                self._broken(fault)
                return
            status, answer, replayed = self._once(method, path, text, params)
        if fault:
            self._broken(fault)
        else:
            self._json(status, answer, {"idempotent-replayed": "true"} if replayed else {})

    def _once(self, method: str, path: str, text: str, params: dict[str, Any]) -> tuple[int, bytes, bool]:
        """Act, unless this key was seen: then the first answer is given again."""
        answers, key = self.server.answers, self.headers.get("idempotency-key") if method == "POST" else None
        words = f"{path}?{text}"
        if key in answers:
            asked, status, answer = answers[key]
            if asked == words:
                return status, answer, True
            mistake = Mistake(
                400, "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                kind="idempotency_error",
            )  # fmt: skip
            return 400, _error(mistake), False
        status, answer = self._act(method, path, params)
        if key and status not in {400, 401, 404, 429}:
            answers[key] = (words, status, answer)
        return status, answer, False

    def _act(self, method: str, path: str, params: dict[str, Any]) -> tuple[int, bytes]:
        given = self.headers.get("authorization", "")
        try:
            if given != f"Bearer {self.server.api_key}":
                raise Mistake(401, f"Invalid API Key provided: {given.removeprefix('Bearer ')[:8]}****")
            if (version := self.headers.get("stripe-version", API_VERSION)) != API_VERSION:
                raise Mistake(400, f"Invalid Stripe API version: {version}")
            return 200, json.dumps(self.server.api.answer(method, path, params)).encode()
        except Mistake as mistake:
            return mistake.status, _error(mistake)

    def _broken(self, fault: Fault) -> None:
        if fault.status == 0:
            self.close_connection = True
            self.connection.close()
            return
        kind = "rate_limit_error" if fault.status == 429 else "api_error"
        self._json(fault.status, _error(Mistake(fault.status, "Something went wrong.", kind=kind)), {})

    def _checkout(self, number: str, pressed: str) -> None:
        book = self.server.api.book
        with book.lock:
            session = book.find(number, "checkout.session")
            if session is None:
                self._html(404, "")
                return
            press = urllib.parse.parse_qs(pressed).get("press", [""])[0]
            if not press or session["status"] != "open":
                self._html(200, stripe_page.checkout(session))
                return
            if press == "fail":
                stripe_life.decline(book, session)
                self._html(200, stripe_page.checkout(session, "The card was declined."))
                return
            stripe_life.pay(book, session, delayed=press == "delay")
        self.send_response(303)
        self.send_header("location", session["success_url"].replace("{CHECKOUT_SESSION_ID}", number))
        self.send_header("content-length", "0")
        self.end_headers()

    def _html(self, status: int, text: str) -> None:
        self._send(status, text.encode(), {"content-type": "text/html; charset=utf-8"})

    def _json(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        number = f"req_{secrets.token_hex(7)}"
        self._send(
            status, body,
            {"content-type": "application/json", "request-id": number, "stripe-version": API_VERSION} | headers,
        )  # fmt: skip

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _error(mistake: Mistake) -> bytes:
    return json.dumps({"error": mistake.error}).encode()
