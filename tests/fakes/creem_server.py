"""The fake Creem over HTTP: its API as documented, refusals included, and its hosted page, which works without scripts."""

import http.server
import json
import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.fakes import creem_months, creem_pages, creem_rows
from tests.fakes.creem_rows import Row
from tests.fakes.creem_shop import NotAllowed, Shop

_VERB = re.compile(r"/v1/subscriptions/([^/]+)/(cancel|resume|upgrade)")


class Problem(Exception):
    """A refusal as the API gives it."""

    def __init__(self, status: int, *message: str) -> None:
        super().__init__(status)
        self.status = status
        self.message = list(message)


class Server(http.server.ThreadingHTTPServer):
    """One store's API and pages on a free port of loopback.

    `faults` are answers for the next API calls, each (status, body) or "drop" or seconds to wait; `journal` is every
    API call as (method, path, body), written when it arrives.
    """

    daemon_threads = True

    def __init__(self, shop: Shop, api_key: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.shop = shop
        self.api_key = api_key
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.faults: list[tuple[int, bytes] | str | float] = []
        self.journal: list[tuple[str, str, Row]] = []
        self.page_rows: int | None = None  # fewer rows on a page than asked for

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever called has left; there is nobody to tell."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        self._answer(self.rfile.read(size))

    def _answer(self, body: Any) -> None:
        path = urlsplit(self.path).path
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if not path.startswith("/v1/"):
            self._page(path, {name: values[-1] for name, values in parse_qs((body or b"").decode()).items()})
            return
        asked = json.loads(body) if body else {}
        self.server.journal.append((self.command, path, asked or query))
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, float | int):
            time.sleep(fault)
        if fault == "drop":
            return
        try:
            if self.headers.get("x-api-key") != self.server.api_key:
                raise Problem(403)
            status, answer = (200, self._api(path, query, asked))
        except Problem as problem:
            status, answer = problem.status, _problem(problem)
        except NotAllowed as problem:
            status, answer = 400, _problem(Problem(400, str(problem)))
        if isinstance(fault, tuple):
            self._send(fault[0], fault[1], "application/json")
        else:
            self._send(status, json.dumps(answer).encode(), "application/json")

    def _api(self, path: str, query: Row, asked: Row) -> Row:
        if (verb := _VERB.fullmatch(path)) and self.command == "POST":
            return self._change(verb[1], verb[2], asked)
        route = getattr(self, "_" + self.command.lower() + path.removeprefix("/v1").replace("/", "_"), None)
        if route is None:
            raise Problem(404, f"Cannot {self.command} {path}")
        found: Row = route(query if self.command == "GET" else asked)
        return found

    def _change(self, number: str, verb: str, asked: Row) -> Row:
        shop = self.server.shop
        _known(shop.subscriptions, number, "Subscription")
        if verb == "cancel":
            return creem_months.cancel(shop, number, asked.get("mode", "immediate"))
        if verb == "resume":
            return creem_months.resume(shop, number)
        behaviour = asked.get("update_behavior", "proration-charge-immediately")
        return creem_months.upgrade(shop, number, _text(asked, "product_id"), behaviour)

    def _get_products(self, query: Row) -> Row:
        return _known(self.server.shop.products, query.get("product_id"), "Product")

    def _get_checkouts(self, query: Row) -> Row:
        shop = self.server.shop
        return shop.whole_checkout(_known(shop.checkouts, query.get("checkout_id"), "Checkout"))

    def _post_checkouts(self, asked: Row) -> Row:
        _known(self.server.shop.products, _text(asked, "product_id"), "Product")
        payer = asked.get("customer") or {}
        if payer.get("id") and payer.get("email"):
            raise Problem(400, "customer: only one of id and email may be specified")
        if not str(asked.get("success_url", "http")).startswith("http"):
            raise Problem(400, "success_url must be a valid URL")
        row: Row = self.server.shop.open(asked, f"{self.server.url}/pay")
        return row

    def _get_transactions(self, query: Row) -> Row:
        return _known(self.server.shop.transactions, query.get("transaction_id"), "Transaction")

    def _get_transactions_search(self, query: Row) -> Row:
        fields = {"customer_id": "customer", "order_id": "order"}
        rows = [
            row for row in self.server.shop.transactions.values()
            if all(row[field] == query[name] for name, field in fields.items() if name in query)
        ]  # fmt: skip
        return self._list(sorted(rows, key=lambda row: -row["created_at"]), query)

    def _get_subscriptions(self, query: Row) -> Row:
        return _known(self.server.shop.subscriptions, query.get("subscription_id"), "Subscription")

    def _get_subscriptions_search(self, query: Row) -> Row:
        return self._list(list(self.server.shop.subscriptions.values())[::-1], query)

    def _list(self, rows: list[Row], query: Row) -> Row:
        size = self.server.page_rows or int(query.get("page_size", 10))
        page = int(query.get("page_number", 1))
        pages = max(1, -(-len(rows) // size))
        return {
            "items": rows[(page - 1) * size : page * size],
            "pagination": {
                "total_records": len(rows), "total_pages": pages, "current_page": page,
                "next_page": page + 1 if page < pages else None, "prev_page": page - 1 or None,
            },
        }  # fmt: skip

    def _post_customers_billing(self, asked: Row) -> Row:
        number = _text(asked, "customer_id")
        if number not in self.server.shop.customers.values():
            raise Problem(404, "Customer not found")
        return {"customer_portal_link": f"{self.server.url}/portal/{number}"}

    def _post_refunds(self, asked: Row) -> Row:
        if set(asked) != {"transaction_id"}:
            raise Problem(400, "only a transaction_id: payments are refunded in full")
        number = _text(asked, "transaction_id")
        _known(self.server.shop.transactions, number, "Transaction")
        self.server.shop.refund(number)
        return {"status": "succeeded"}

    def _post_moderation_prompt(self, asked: Row) -> Row:
        prompt = _text(asked, "prompt")
        told = re.search(r"\[creem: (allow|deny|flag)\]", prompt)
        return {
            "id": creem_rows.number("mod"), "object": "moderation_result", "prompt": prompt,
            "external_id": asked.get("external_id"), "decision": told[1] if told else "allow",
            "usage": {"units": -(-len(prompt) // 1000)},
        }  # fmt: skip

    def _page(self, path: str, form: Row) -> None:
        shop, (kind, number) = self.server.shop, [*path.strip("/").split("/"), ""][:2]
        row = shop.checkouts.get(number)
        if kind == "portal" and number in shop.customers.values():
            self._send(200, creem_pages.portal(shop, number), "text/html; charset=utf-8")
        elif kind != "pay" or row is None:
            self._send(404, b"There is no such page.", "text/plain")
        elif self.command == "GET":
            self._send(200, creem_pages.checkout(shop, row, ""), "text/html; charset=utf-8")
        elif row["status"] == "pending" and form.get("press") in {"pay", "delay"}:
            shop.pay(number, later=form["press"] == "delay")
            self._send(303, b"", "text/plain", {"location": _way_back(row)})
        else:
            shop.decline(number)
            said = "The card was declined. You can try again."
            self._send(200, creem_pages.checkout(shop, row, said), "text/html; charset=utf-8")

    def _send(self, status: int, body: bytes, media_type: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": media_type, "content-length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _way_back(row: Row) -> str:
    """Return where the payer goes. Creem signs what it adds; nobody here reads it, so there is no signature."""
    added = {"checkout_id": row["id"], "request_id": row["request_id"], "order_id": row["order"]["id"]}
    mark = "&" if urlsplit(row["success_url"]).query else "?"
    return f"{row['success_url']}{mark}{urlencode({name: value for name, value in added.items() if value})}"


def _known(rows: Row, number: object, word: str) -> Row:
    if number not in rows:
        raise Problem(404, f"{word} not found")
    row: Row = rows[str(number)]
    return row


def _text(asked: Row, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise Problem(400, f"{name} must be a string")
    return value


def _problem(problem: Problem) -> Row:
    words = {400: "Bad Request", 403: "Forbidden", 404: "Bad Request"}
    row = {"trace_id": str(uuid.uuid4()), "status": problem.status, "error": words[problem.status],
           "timestamp": int(time.time() * 1000)}  # fmt: skip
    return {**row, "message": problem.message} if problem.message else row
