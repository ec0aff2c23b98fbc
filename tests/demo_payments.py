"""`make demo-payments`: Gesso against the fake Stripe, to try payments by hand in a browser. No money moves.

Everything is kept in `data/demo-payments`. Commands on the keyboard do what Stripe does by itself: `help` lists them.
"""

import os
import pathlib
import subprocess
import sys

from tests.fakes.stripe import FakeStripe
from tests.fakes.stripe_demo import Desk


def main() -> int:
    """Run until Ctrl-C; returns Gesso's exit status."""
    port = os.environ.get("GESSO_PORT", "8000")
    with FakeStripe() as fake:
        fake.webhooks.url, fake.webhooks.retries, fake.webhooks.pause = (
            f"http://127.0.0.1:{port}/webhooks/stripe",
            5,
            2.0,
        )
        words = {
            "STRIPE_SECRET_KEY": fake.api_key, "STRIPE_WEBHOOK_SECRET": fake.webhook_secret, "STRIPE_API_BASE": fake.url,
            "GESSO_DATA_DIR": str(pathlib.Path("data/demo-payments").absolute()),
        }  # fmt: skip
        gesso = subprocess.Popen([sys.executable, "-P", "-m", "gesso", "run"], env=os.environ | words)
        try:
            Desk(fake).cmdloop()
            return gesso.wait()
        except KeyboardInterrupt:  # the terminal tells Gesso, too
            return gesso.wait()
        finally:
            if gesso.poll() is None:
                gesso.terminate()
                gesso.wait()


if __name__ == "__main__":
    sys.exit(main())
