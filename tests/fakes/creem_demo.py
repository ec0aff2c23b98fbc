"""Run a fake Creem by hand: `python -m tests.fakes.creem_demo --webhooks http://127.0.0.1:8000/webhooks/creem`.

It sells the shipped catalogue, prints the environment to run Gesso with, then takes one command a line: `help` lists
them. "Pay later" is paid after some seconds. Webhooks are retried after seconds where Creem waits for minutes.
"""

import argparse
import cmd
import pathlib
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping

import httpx2

from gesso.core import catalog
from tests.fakes import creem_months
from tests.fakes.creem import FakeCreem
from tests.fakes.creem_outbox import PAUSES
from tests.fakes.creem_rows import Row
from tests.fakes.creem_shop import NotAllowed

LATER = 20.0  # seconds until money arrives that was on its way
HURRY = 30  # its pauses are so many times shorter


def sell(store: FakeCreem) -> str:
    """Put the shipped catalogue on sale; returns the overlay that names the products."""
    table, lines = catalog.load(None), []
    for kind, rows in (("packs", table.packs), ("plans", table.plans)):
        for row in rows:
            product = f"prod_{row.id}"
            store.shop.add_product(product, row.price, table.currency, monthly=kind == "plans")
            values = row.model_dump() | {"creem_product": product}
            lines += ["", f"[[{kind}]]"]
            lines += [f"{name} = {value if isinstance(value, int) else repr(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


class Postman(threading.Thread):
    """Delivers webhooks, and lets money arrive that was on its way for long enough."""

    def __init__(self, store: FakeCreem, url: str) -> None:
        super().__init__(daemon=True)
        self._store = store
        self._url = url
        self._due: dict[str, float] = {}  # by event, and by checkout that is being paid

    def run(self) -> None:
        """Go round for ever."""
        while True:
            self.go_round(time.monotonic())
            time.sleep(0.5)

    def go_round(self, now: float) -> None:
        """Do what is due."""
        for number, row in list(self._store.shop.checkouts.items()):
            if row["status"] == "processing" and self._due.setdefault(number, now + LATER) <= now:
                self._store.shop.settle(number)
        for one in list(self._store.outbox.all):
            if not one.over and self._due.get(one.id, now) <= now:
                self._store.outbox.attempt(one, self._send)
                self._due[one.id] = now + PAUSES[min(one.tries, len(PAUSES)) - 1] / HURRY

    def _send(self, body: bytes, headers: Mapping[str, str]) -> int:
        try:
            return httpx2.post(self._url, content=body, headers=dict(headers), trust_env=False, timeout=10).status_code
        except httpx2.HTTPError:
            return 0  # nobody there; it is tried again


class Desk(cmd.Cmd):
    """What can be done from the keyboard. Names are ids of the API; without one the newest is meant."""

    prompt = "creem> "

    def __init__(self, store: FakeCreem) -> None:
        super().__init__()
        self._store = store
        self._shop = store.shop

    def do_list(self, _words: str) -> None:
        """List checkouts, subscriptions and payments."""
        for rows in (self._shop.checkouts, self._shop.subscriptions, self._shop.transactions):
            for row in rows.values():
                self._said(row)

    def do_renew(self, words: str) -> None:
        """Let a month end and the next be paid: renew [sub_...]."""
        self._said(creem_months.next_period(self._shop, words or next(reversed(self._shop.subscriptions))))

    def do_fail(self, words: str) -> None:
        """Let a month end and the next not be paid: fail [sub_...]."""
        number = words or next(reversed(self._shop.subscriptions))
        self._said(creem_months.next_period(self._shop, number, paid=False))

    def do_end(self, words: str) -> None:
        """End a subscription now: end [sub_...]."""
        self._said(creem_months.end_now(self._shop, words or next(reversed(self._shop.subscriptions))))

    def do_refund(self, words: str) -> None:
        """Send money back: refund [tran_...] [amount with tax]."""
        number, _, amount = words.partition(" ")
        number = number or next(reversed(self._shop.transactions))
        self._said(self._shop.refund(number, int(amount) if amount else None))

    def do_dispute(self, words: str) -> None:
        """Let a payer's bank take a payment back: dispute [tran_...]."""
        self._said(self._shop.dispute(words or next(reversed(self._shop.transactions))))

    def do_webhooks(self, _words: str) -> None:
        """Show the last deliveries."""
        for one in self._store.outbox.all[-20:]:
            print("delivered" if one.delivered else f"tried {one.tries}", one.type, one.id)

    def onecmd(self, line: str) -> bool:
        """Do a command; a mistake is said and nothing else happens."""
        try:
            return super().onecmd(line)
        except (NotAllowed, KeyError, StopIteration, ValueError) as error:
            print("That can't be done:", error or type(error).__name__)
            return False

    def emptyline(self) -> bool:
        """Do nothing."""
        return False

    def do_EOF(self, _words: str) -> bool:  # noqa: N802 (the base class names it)
        """Go on without the keyboard."""
        return True

    def _said(self, row: Row) -> None:
        print(row["id"], row["status"], row.get("amount", ""))


def main(words: list[str]) -> None:
    """Run until Ctrl-C."""
    asked = argparse.ArgumentParser(prog="python -m tests.fakes.creem_demo", description="A fake Creem.")
    asked.add_argument("--webhooks", default="http://127.0.0.1:8000/webhooks/creem", help="where events go")
    asked.add_argument("--port", type=int, default=0, help="0: any free port")
    given = asked.parse_args(words)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us behind it has it ignored
    with FakeCreem(port=given.port) as store, tempfile.TemporaryDirectory() as directory:
        overlay = pathlib.Path(directory) / "catalog.toml"
        overlay.write_text(sell(store))
        for name, value in {**store.environment(), "GESSO_CATALOG": str(overlay)}.items():
            print(f"{name}={value}", flush=True)
        Postman(store, given.webhooks).start()
        try:
            Desk(store).cmdloop()
            signal.pause()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main(sys.argv[1:])
