"""Run a fake Stripe by hand: `python -m tests.fakes.stripe_demo --webhooks http://127.0.0.1:8000/webhooks/stripe`.

It prints the environment to run Gesso with, then takes one command a line: `help` lists them.
"""

import argparse
import cmd
import signal
import sys

from tests.fakes.stripe import FakeStripe


class Desk(cmd.Cmd):
    """What can be done to payments from the keyboard. Names are ids of the API; without one the newest is meant."""

    prompt = "stripe> "

    def __init__(self, fake: FakeStripe) -> None:
        super().__init__()
        self._fake = fake

    def do_list(self, _words: str) -> None:
        """List checkouts, subscriptions and payments."""
        for kind in ("checkout.session", "subscription", "invoice", "payment_intent", "refund", "dispute"):
            for thing in self._fake.objects(kind):
                print(kind, thing["id"], thing.get("status"), thing.get("amount", thing.get("total", "")))

    def do_settle(self, words: str) -> None:
        """Let a delayed payment arrive: settle [cs_...]."""
        self._said(self._fake.settle(words or self._newest("checkout.session")))

    def do_renew(self, words: str) -> None:
        """Let a month end: renew [sub_...]."""
        self._said(self._fake.renew(words or self._newest("subscription")))

    def do_fail(self, words: str) -> None:
        """Let a month end and the next not be paid: fail [sub_...]."""
        self._said(self._fake.fail_renewal(words or self._newest("subscription")))

    def do_recover(self, words: str) -> None:
        """Let an open invoice be paid: recover [in_...]."""
        self._said(self._fake.recover(words or self._newest("invoice")))

    def do_refund(self, words: str) -> None:
        """Send money back: refund [pi_... or in_...] [amount]."""
        number, _, amount = words.partition(" ")
        self._said(self._fake.refund(number or self._newest("payment_intent"), int(amount) if amount else None))

    def do_dispute(self, words: str) -> None:
        """Dispute a payment: dispute [pi_... or in_...]."""
        self._said(self._fake.dispute(words or self._newest("payment_intent")))

    def do_won(self, words: str) -> None:
        """Decide a dispute for the shop: won [du_...]."""
        self._said(self._fake.decide(words or self._newest("dispute"), "won"))

    def do_lost(self, words: str) -> None:
        """Decide a dispute for the payer: lost [du_...]."""
        self._said(self._fake.decide(words or self._newest("dispute"), "lost"))

    def do_webhooks(self, _words: str) -> None:
        """Show the last deliveries."""
        for delivery in list(self._fake.webhooks.log)[-20:]:
            print(delivery.status, delivery.type, delivery.event)

    def onecmd(self, line: str) -> bool:
        """Do a command; a mistake is said and nothing else happens."""
        try:
            return super().onecmd(line)
        except (AssertionError, KeyError, IndexError, ValueError) as error:
            print("That can't be done:", error or type(error).__name__)
            return False

    def emptyline(self) -> bool:
        """Do nothing."""
        return False

    def do_EOF(self, _words: str) -> bool:  # noqa: N802 (the base class names it)
        """Go on without the keyboard."""
        return True

    def _newest(self, kind: str) -> str:
        number: str = self._fake.objects(kind)[-1]["id"]
        return number

    def _said(self, thing: dict[str, object]) -> None:
        print(thing.get("id", "ended"), thing.get("status", ""))


def main(words: list[str]) -> None:
    """Run until Ctrl-C."""
    asked = argparse.ArgumentParser(prog="python -m tests.fakes.stripe_demo", description="A fake Stripe.")
    asked.add_argument("--webhooks", default="http://127.0.0.1:8000/webhooks/stripe", help="where events go")
    asked.add_argument("--port", type=int, default=0, help="0: any free port")
    given = asked.parse_args(words)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts us behind it has it ignored
    with FakeStripe(port=given.port) as fake:
        fake.webhooks.url, fake.webhooks.retries, fake.webhooks.pause = given.webhooks, 5, 2.0
        print(f"STRIPE_SECRET_KEY={fake.api_key}")
        print(f"STRIPE_WEBHOOK_SECRET={fake.webhook_secret}")
        print(f"STRIPE_API_BASE={fake.url}", flush=True)
        try:
            Desk(fake).cmdloop()
            signal.pause()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main(sys.argv[1:])
