"""`python -m benchmarks.queries`: how many database queries each request takes, as JSON. Run by the benchmark.

It speaks to the measured stack's database through Django's own test client, signed in as the owner.
"""

import json
import os
import sys

import django


def main() -> None:
    """Ask each page once to warm up and once to count."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gesso.config.settings")
    django.setup()
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from gesso.accounts.models import User
    from gesso.generations.models import Generation

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(is_owner=True), backend="allauth.account.auth_backends.AuthenticationBackend")
    newest = Generation.objects.order_by("-created_at").first()
    assert newest
    pages = {
        "studio, 24 cards": "/studio",
        "one card": f"/generations/{newest.id}/card",
        "a generation's timeline": f"/generations/{newest.id}",
        "library, 60 images": "/library",
        "credits": "/credits",
        "landing": "/",
    }
    counted = {}
    for name, path in pages.items():
        for _ in range(2):
            with CaptureQueriesContext(connection) as asked:
                assert client.get(path).status_code == 200, path
        counted[name] = len(asked)
    json.dump(counted, sys.stdout)


if __name__ == "__main__":
    main()
