"""Credits over the native API: the balance and the statement agree with what was asked."""

import pytest
from allauth.account.models import EmailAddress

from gesso.core import catalog

pytestmark = pytest.mark.django_db


def test_the_balance_shows_what_is_held(caller):
    caller.post("/api/generations", {"prompt": "Pears", "quality": "medium"})
    said = caller.get("/api/credits").json()
    assert (said["available"], said["held"], said["debt"]) == (96, 4, 0)
    assert said["grants"] == [{"source": "staff", "available": 96, "held": 4, "expires_at": None}]


def test_the_days_credits_are_there_before_anything_was_asked(caller, who):
    EmailAddress.objects.create(user=who.user, email=who.user.email, verified=True, primary=True)
    said = caller.get("/api/credits").json()
    daily = catalog.current().credits.daily
    assert said["available"] == 100 + daily
    assert said["grants"][0]["source"] == "daily"


def test_the_statement_goes_back_in_pages_and_names_generations(caller):
    made = caller.post("/api/generations", {"prompt": "Pears", "quality": "medium"}).json()
    caller.post(f"/api/generations/{made['id']}/cancel")
    first = caller.get("/api/credits/entries", {"limit": 2}).json()
    assert [(row["kind"], row["amount"], row["generation_id"]) for row in first["entries"]] == [
        ("release", 4, made["id"]), ("hold", -4, made["id"]),
    ]  # fmt: skip
    second = caller.get("/api/credits/entries", {"cursor": first["next_cursor"]}).json()
    assert [(row["kind"], row["amount"], row["balance_after"]) for row in second["entries"]] == [("grant", 100, 100)]
    assert second["entries"][0]["generation_id"] is None
    assert second["next_cursor"] is None


def test_nobody_sees_the_money_of_another(caller, stranger):
    caller.post("/api/generations", {"prompt": "Pears", "quality": "medium"})
    assert stranger.get("/api/credits").json()["available"] == 100
    assert len(stranger.get("/api/credits/entries").json()["entries"]) == 1
