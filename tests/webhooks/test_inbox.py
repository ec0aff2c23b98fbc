"""What becomes of an event: handled by looking, tried again when that fails, given up at last, and never in others' way."""

import datetime

import pytest
from django.db import IntegrityError, OperationalError
from structlog.testing import capture_logs

from gesso.billing import looking
from gesso.billing.gateways import protocol
from gesso.billing.models import Payment
from gesso.core import clock
from gesso.credits import queries
from gesso.webhooks import inbox
from gesso.webhooks.models import WebhookEvent
from tests import world
from tests.billing import shop
from tests.billing import till as fake

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(till):
    """An order that was paid at the gateway, of which we have heard nothing."""
    found = shop.order(world.person())
    till.know(shop.paid(found))
    return found


def hear(till, number: str, *subjects: protocol.Subject) -> WebhookEvent:
    body = fake.event(number, *subjects)
    inbox.receive(till, body, {"x-signature": fake.sign(body)})
    return WebhookEvent.objects.get(external_id=number)


def payment_of(made) -> protocol.Subject:
    return protocol.Subject("payment", f"pay_{made.id}")


def balance(made) -> int:
    return queries.balance(made.workspace_id).available


def due_now() -> None:
    WebhookEvent.objects.filter(due_at__isnull=False).update(due_at=clock.now())


def test_an_event_is_handled_by_looking_and_says_what_it_changed(till, made):
    hear(till, "evt_1", payment_of(made))
    assert inbox.handle_due() == 1
    row = WebhookEvent.objects.get()
    assert (row.due_at, row.failed, row.changes) == (None, "", ["200 credits: 200 credits added for a payment."])
    assert row.handled_at
    assert (balance(made), inbox.handle_due()) == (200, 0)


def test_an_event_that_is_handled_again_changes_nothing(till, made):
    hear(till, "evt_1", payment_of(made))
    number = WebhookEvent.objects.get().id
    for _ in range(3):
        inbox.handle(number)
    assert (balance(made), Payment.objects.count()) == (200, 1)


def test_a_crash_between_the_effect_and_its_note_is_harmless(till, made, monkeypatch):
    hear(till, "evt_1", payment_of(made))

    class Killed(BaseException):
        """As a process that dies: nobody catches it."""

    real = looking.look

    def look_and_die(*words: object) -> list[str]:
        real(*words)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(looking, "look", look_and_die)
        with pytest.raises(Killed):
            inbox.handle_due()
    assert balance(made) == 200
    assert inbox.handle_due() == 0  # still in the dead one's hands
    due_now()
    assert inbox.handle_due() == 1
    assert WebhookEvent.objects.get().handled_at
    assert (balance(made), Payment.objects.count()) == (200, 1)


@pytest.mark.parametrize("problem", [protocol.Unavailable("It is tired."), protocol.Refused("It will not.")])
def test_what_fails_is_tried_again_after_growing_pauses_and_given_up_at_last(till, made, problem):
    till.broken[""] = problem
    hear(till, "evt_1", payment_of(made))
    waited = []
    while WebhookEvent.objects.get().due_at:
        due_now()
        with capture_logs() as said:
            assert inbox.handle_due() == 1
        row = WebhookEvent.objects.get()
        assert (row.handled_at, row.failed) == (None, str(problem))
        if row.due_at:
            waited.append(round((row.due_at - clock.now()).total_seconds()))
    assert tuple(waited) == inbox.PAUSES
    assert [line["log_level"] for line in said] == ["error"]
    assert "given up" in said[0]["event"]
    assert inbox.handle_due() == 0
    till.broken.clear()
    inbox.handle(WebhookEvent.objects.get().id)  # somebody may still do it
    assert WebhookEvent.objects.get().failed == ""
    assert balance(made) == 200


def test_what_nobody_foresaw_is_said_and_keeps_no_other_waiting(till, made):
    other = shop.order(world.person())
    till.know(shop.paid(other))
    till.broken[payment_of(made).id] = KeyError("sk_live_secret")
    hear(till, "evt_1", payment_of(made))
    hear(till, "evt_2", payment_of(other))
    with capture_logs() as said:
        assert inbox.handle_due() == 2
    first, second = WebhookEvent.objects.order_by("id")
    assert (first.handled_at, first.failed) == (None, "An unexpected KeyError; the log has it.")
    assert (first.due_at - clock.now()).total_seconds() == inbox.PAUSES[0]
    assert second.handled_at
    assert (balance(made), balance(other)) == (0, 200)
    assert [line["log_level"] for line in said] == ["error", "warning"]
    assert said[0]["exc_info"]
    till.broken.clear()
    due_now()
    inbox.handle_due()
    assert balance(made) == 200


def test_what_was_changed_before_something_failed_is_said_too(till, made):
    till.broken["pay_gone"] = protocol.Refused("There is no such payment.")
    hear(till, "evt_1", payment_of(made), protocol.Subject("payment", "pay_gone"))
    inbox.handle_due()
    row = WebhookEvent.objects.get()
    assert (len(row.changes), row.failed) == (1, "There is no such payment.")
    till.broken.clear()
    due_now()
    inbox.handle_due()
    row = WebhookEvent.objects.get()
    assert (len(row.changes), bool(row.handled_at)) == (1, True)


def test_while_the_database_is_away_the_event_stays_in_hand_and_comes_again(till, made):
    till.broken[""] = OperationalError("the connection is closed")
    hear(till, "evt_1", payment_of(made))
    with pytest.raises(OperationalError):
        inbox.handle_due()
    row = WebhookEvent.objects.get()
    assert (row.due_at - clock.now()).total_seconds() == inbox.HAND_SECONDS
    assert (row.handled_at, row.tries) == (None, 1)


def test_a_gateway_that_is_not_configured_any_more_is_said(till, made):
    hear(till, "evt_1", payment_of(made))
    WebhookEvent.objects.update(gateway="creem")
    inbox.handle_due()
    assert WebhookEvent.objects.get().failed == "creem is not configured here any more."


def test_what_somebody_else_handled_meanwhile_stays_handled(till, made, monkeypatch):
    hear(till, "evt_1", payment_of(made))

    def slow(_subject: protocol.Subject) -> list[protocol.State]:
        WebhookEvent.objects.update(due_at=None, handled_at=clock.now())
        raise protocol.Unavailable("Too late.")

    monkeypatch.setattr(till, "look", slow)
    inbox.handle_due()
    row = WebhookEvent.objects.get()
    assert (row.due_at, row.failed) == (None, "")


def test_an_event_is_either_due_or_handled(till, made):
    hear(till, "evt_1", payment_of(made))
    with pytest.raises(IntegrityError, match="webhook_event_ends_once"):
        WebhookEvent.objects.update(handled_at=clock.now())


def test_old_events_go_unless_they_wait(till, made):
    ages = {"evt_old": 91, "evt_waits": 91, "evt_young": 89}
    for number, days in ages.items():
        row = hear(till, number, payment_of(made))
        if number != "evt_waits":
            inbox.handle(row.id)
        WebhookEvent.objects.filter(id=row.id).update(received_at=clock.now() - datetime.timedelta(days=days))
    assert inbox.tidy() == 1
    assert set(WebhookEvent.objects.values_list("external_id", flat=True)) == {"evt_waits", "evt_young"}
