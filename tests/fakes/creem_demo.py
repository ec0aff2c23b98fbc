"""By hand: `python -m tests.fakes.creem_demo` runs a fake Creem that sells this catalogue, until Ctrl-C.

It writes a catalogue that names its products, prints the environment to run Gesso with, and delivers webhooks to
GESSO_BASE_URL (or --gesso). "Pay later" is paid after some seconds. Its retries wait seconds where Creem waits minutes.
"""

import argparse
import pathlib
import tempfile
import threading

import httpx2

from gesso.core import catalog
from tests.fakes.creem import FakeCreem
from tests.fakes.creem_outbox import Delivery

LATER = 20.0  # seconds


def main(words: list[str] | None = None) -> None:
    """Run until Ctrl-C."""
    asked = argparse.ArgumentParser(prog="python -m tests.fakes.creem_demo", description="A fake Creem to try by hand.")
    asked.add_argument("--port", type=int, default=0, help="0: any free port")
    asked.add_argument("--gesso", default="http://127.0.0.1:8000", help="where Gesso runs, for webhooks")
    given = asked.parse_args(words)
    with FakeCreem(port=given.port) as creem, tempfile.TemporaryDirectory() as directory:
        overlay = pathlib.Path(directory) / "catalog.toml"
        overlay.write_text(sell(creem))
        print(f"Creem listens on {creem.url}. Run Gesso with:\n")
        for name, value in {**creem.environment(), "GESSO_CATALOG": str(overlay)}.items():
            print(f"export {name}={value}")
        print("\nCtrl-C ends it.", flush=True)
        over = threading.Event()
        try:
            while not over.wait(1.0):
                settle_late(creem)
                creem.outbox.deliver(lambda body, headers: _send(f"{given.gesso}/webhooks/creem", body, headers))
        except KeyboardInterrupt:
            print()


def sell(creem: FakeCreem) -> str:
    """Put the catalogue on sale; returns the overlay that names the products."""
    table = catalog.load(None)
    lines = []
    for kind, rows in (("packs", table.packs), ("plans", table.plans)):
        for row in rows:
            product = f"prod_{row.id}"
            creem.shop.add_product(product, row.price, table.currency, monthly=kind == "plans")
            values = row.model_dump() | {"creem_product": product}
            lines.append(f"[[{kind}]]")
            lines += [f"{name} = {value if isinstance(value, int) else repr(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def settle_late(creem: FakeCreem) -> None:
    """Let money arrive that has been on its way for long enough."""
    for row in list(creem.shop.checkouts.values()):
        if row["status"] == "processing":
            threading.Timer(LATER, lambda number: _settle(creem, number), [row["id"]]).start()
            row["status"] = "settling"


def _settle(creem: FakeCreem, number: str) -> None:
    creem.shop.checkouts[number]["status"] = "processing"
    creem.shop.settle(number)


def _send(url: str, body: bytes, headers: object) -> int:
    try:
        return httpx2.post(url, content=body, headers=headers, trust_env=False, timeout=10).status_code
    except httpx2.HTTPError:
        return 0  # nobody there; it is tried again


def told(one: Delivery) -> str:
    """Return a delivery as the demo prints it."""
    return f"{one.type} {one.id}"


if __name__ == "__main__":
    main()
