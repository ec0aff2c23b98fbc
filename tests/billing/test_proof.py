"""I-15: what is planted in orders, payments, limits and events is found, each by its own sentence and no other proof."""

import re

import pytest
from django.db import connection

from gesso.billing import fulfilment, subscriptions
from gesso.billing import registry as tills
from gesso.billing.models import Mismatch, Payment
from gesso.config import doctor
from gesso.webhooks import inbox
from tests import world
from tests.billing import shop
from tests.billing import till as fake

pytestmark = pytest.mark.django_db

FILES = {"I-6", "I-7"}  # about stored pictures: there are none here


def found() -> list[str]:
    """Return what every proof finds, as words."""
    return [
        f"{violation.invariant} {violation.subject}: {violation.sentence}"
        for invariant in doctor.INVARIANTS
        if invariant.number not in FILES
        for violation in invariant.proof()
    ]


@pytest.fixture(autouse=True)
def sold(monkeypatch):
    """A pack that was partly refunded, one whose dispute was won, a plan with a change; and somebody who waits."""
    till = fake.Till()
    monkeypatch.setattr(tills, "configured", lambda: {till.name: till})
    who = world.person()
    pack, disputed, plan = shop.order(who), shop.order(who), shop.order(who, "plan")
    shop.order(world.person())
    for state in (
        shop.paid(pack, refunded=400), shop.paid(disputed, dispute="open"), shop.paid(disputed, dispute="won"),
        shop.paid(plan), shop.standing(plan), shop.renewed(plan, 1),
    ):  # fmt: skip
        fulfilment.apply("stripe", [state])
    subscriptions.change(who.workspace, "team")
    change = {"id": "pay_up", "reason": "change", "item": "team", "amount": 1400, "refunded": 100}
    fulfilment.apply("stripe", [shop.paid(plan, **change)])
    body = fake.event("evt_1")
    inbox.receive(till, body, {"x-signature": fake.sign(body)})
    assert Payment.objects.count() == 5
    assert not Mismatch.objects.exists()


def test_what_was_sold_is_sound():
    assert found() == []


PACK = "(SELECT id FROM billing_payment WHERE reason = 'pack' AND refunded > 0)"
BROKEN = {
    "another price": (
        f"UPDATE billing_payment SET amount = 801, refunded = 401 WHERE id = {PACK}",
        r"payment \d+: is not what order \S+ asked for\.",
    ),
    "another workspace": (
        f"""UPDATE billing_payment SET workspace_id = (SELECT workspace_id FROM billing_order WHERE state = 'open')
        WHERE id = {PACK}""",
        r"payment \d+: is not what order \S+ asked for\.|payment \d+: brought 200 credits, its grant \d+ is another \(200\)\.",
    ),
    "another mode": (
        f"UPDATE billing_payment SET live = NOT live WHERE id = {PACK}",
        r"payment \d+: is not what order \S+ asked for\.",
    ),
    "another's grant": (
        "UPDATE billing_payment SET external_id = 'pay_forged' WHERE reason = 'renewal'",
        r"payment \d+: brought 400 credits, its grant \d+ is another \(400\)\.",
    ),
    "a grant that nobody paid": (
        """INSERT INTO credits_creditgrant (workspace_id, source, amount, available, held, spent, expired, revoked,
               priority, reference, created_at)
           SELECT id, 'pack', 5, 5, 0, 0, 0, 0, 40, 'payment:stripe:none', now() FROM accounts_workspace LIMIT 1;
           INSERT INTO credits_creditentry (workspace_id, grant_id, kind, from_bucket, to_bucket, amount, balance_after,
               reference, actor, reason, at)
           SELECT workspace_id, id, 'grant', 'issued', 'available', 5, 5 + coalesce((SELECT balance_after FROM
               credits_creditentry AS last WHERE last.workspace_id = lot.workspace_id ORDER BY id DESC LIMIT 1), 0),
               '', '', '', now()
           FROM credits_creditgrant AS lot WHERE reference = 'payment:stripe:none'""",
        r"grant \d+: of 5 credits names payment:stripe:none, which is none\.",
    ),
    "an order that is paid by nothing": (
        "UPDATE billing_order SET state = 'paid', ended_at = now() WHERE state = 'open'",
        r"order \S+: is paid with 0 payments\.",
    ),
    "an order that forgot its payment": (
        "UPDATE billing_order SET state = 'failed' WHERE kind = 'plan'",
        r"order \S+: is failed with 3 payments\.",
    ),
    "a refund without its credits": (
        f"UPDATE billing_payment SET refunded = 800 WHERE id = {PACK}",
        r"payment \d+: claims 100 credits; 800 went back, dispute: none\.",
    ),
    "a dispute without its credits": (
        "UPDATE billing_payment SET dispute = 'lost' WHERE dispute = 'won'",
        r"payment \d+: claims 0 credits; 0 went back, dispute: lost\.",
    ),
    "credits that nobody took": (
        f"UPDATE billing_payment SET taken_back = 99 WHERE id = {PACK}",
        r"payment \d+: has 99 taken back, entries say 100\.",
    ),
    "credits that came again twice": (
        "UPDATE credits_creditentry SET reference = 'x' WHERE reference LIKE 'taken:%' AND amount = 200",
        r"payment \d+: has 0 taken back, entries say -200\.",
    ),
    "limits without a plan": (
        """UPDATE accounts_workspace SET concurrent = 99 WHERE id IN
        (SELECT workspace_id FROM billing_order WHERE state = 'open')""",
        r"workspace \S+: has the plan none and may run 99 at once\.",
    ),
    "a plan without its limits": (
        "UPDATE accounts_workspace SET concurrent = NULL WHERE concurrent IS NOT NULL",
        r"workspace \S+: has the plan Team and may run as many as all at once\.",
    ),
    "an event that is there twice": (
        """DROP INDEX webhook_event_once; INSERT INTO webhooks_webhookevent (gateway, external_id, type, live, subjects,
        payload, received_at, tries, changes, failed) SELECT gateway, external_id, type, live, subjects, payload,
        received_at, tries, changes, failed FROM webhooks_webhookevent""",
        r"event stripe evt_1: is there 2 times, or due though handled\.",
    ),
    "an event that ends twice": (
        """ALTER TABLE webhooks_webhookevent DROP CONSTRAINT webhook_event_ends_once;
        UPDATE webhooks_webhookevent SET due_at = now()""",
        r"event stripe evt_1: is there 1 times, or due though handled\.",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_planted_is_found_by_its_own_sentence(name):
    plant, sentence = BROKEN[name]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with world.without_guards(), connection.cursor() as cursor:
        for statement in plant.split(";"):
            cursor.execute(statement)
    seen = found()
    assert seen
    assert [line for line in seen if not re.fullmatch(f"I-15 (?:{sentence})", line)] == []
