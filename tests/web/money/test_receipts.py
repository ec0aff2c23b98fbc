"""Receipts: what was paid, what went back, who may see them, and the file of all."""

import asyncio
import csv
import io

import pytest

from gesso.billing import fulfilment, subscriptions
from gesso.billing.models import Payment
from gesso.core import ids
from tests.billing import shop as gateway
from tests.web.money import counter as shop

pytestmark = pytest.mark.django_db(transaction=True)


async def _all(response) -> bytes:
    return b"".join([part async for part in response.streaming_content])


def file(response) -> list[list[str]]:
    """Return the rows of a CSV file that was answered."""
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response["Content-Disposition"] and response["Cache-Control"] == "no-store"
    return list(csv.reader(io.StringIO(asyncio.run(_all(response)).decode())))


@pytest.fixture
def paid(counter):
    counter.get(counter.pay("pack-200"))
    return Payment.objects.get()


def test_without_payments_the_list_says_what_goes_here(counter):
    assert "No receipts yet" in counter.get("/credits/receipts")


def test_a_receipt_says_everything(counter, paid):
    page = counter.get(f"/credits/receipts/{paid.id}")
    for words in (f"Receipt {paid.id}", "200 credits", "Pack, paid once", "$8", "Test card", paid.external_id,
                  counter.who.workspace.name, "No money was taken.", "Prices are without tax."):  # fmt: skip
        assert words in page
    assert "Refunded" not in page
    assert f'href="/credits/receipts/{paid.id}">200 credits</a>' in counter.get("/credits/receipts")


def test_a_refund_is_on_the_receipt_the_list_and_the_statement(counter, paid):
    subscriptions.refund(paid, 200, "test-1")
    page = counter.get(f"/credits/receipts/{paid.id}")
    for words in ("Refunded</th><td>$2<", "Remains</th><td>$6<", "Taken back</th><td>50<", "Before tax</th><td>$8<"):
        assert words in page
    assert "Partly refunded" in counter.get("/credits/receipts")
    assert f'href="/credits/receipts/{paid.id}" dir="auto">200 credits: refunded</a>' in counter.get("/credits")


@pytest.mark.parametrize(
    ("dispute", "tag", "words"),
    [("open", "Disputed", "taken back"), ("lost", "Dispute lost", "sent the money back"), ("won", "Paid", "came back")],
)
def test_a_dispute_is_said_plainly(counter, dispute, tag, words):
    made = gateway.order(counter.who)
    fulfilment.apply("test", [gateway.paid(made)])
    fulfilment.apply("test", [gateway.paid(made, dispute="open")])
    fulfilment.apply("test", [gateway.paid(made, dispute=dispute)])
    assert words in counter.get(f"/credits/receipts/{Payment.objects.get().id}")
    assert f">{tag}</span>" in counter.get("/credits/receipts")
    page = counter.get("/credits")
    assert ">200 credits: the payment is disputed</a>" in page
    assert (">200 credits: the dispute was decided for us</a>" in page) == (dispute == "won")


def test_every_payment_of_a_plan_says_its_month(counter):
    made = gateway.order(counter.who, "plan")
    fulfilment.apply("test", [gateway.paid(made), gateway.standing(made)])
    fulfilment.apply("test", [gateway.renewed(made, 1)])
    first, second = Payment.objects.order_by("id")
    assert "First month of the plan, until " in counter.get(f"/credits/receipts/{first.id}")
    assert "Another month of the plan, until " in counter.get(f"/credits/receipts/{second.id}")


def test_receipts_of_others_are_nothing_here(counter, paid):
    stranger = shop.stand()
    stranger.get(f"/credits/receipts/{paid.id}", 404)
    assert "No receipts yet" in stranger.get("/credits/receipts")
    assert len(file(stranger.browser.get("/credits/receipts.csv"))) == 1
    for path in ("/credits/receipts/0", f"/credits/receipts/{10**30}", "/credits/receipts/x", "/credits/receipts/-1"):
        counter.get(path, 404)
    for cursor in ("x", "-1", "9" * 30, chr(0x661)):
        counter.get(f"/credits/receipts?cursor={cursor}", 400)


def test_receipts_come_in_pages_and_whole_in_the_file(counter, monkeypatch):
    monkeypatch.setattr("gesso.web.money.receipts.PAGE", 2)
    for _ in range(5):
        fulfilment.apply("test", [gateway.paid(gateway.order(counter.who))])
    newest = list(Payment.objects.order_by("-id").values_list("id", flat=True))
    page = counter.get("/credits/receipts")
    assert f"/credits/receipts/{newest[0]}" in page and f'cursor={newest[1]}"' in page
    rest = counter.get(f"/credits/receipts?cursor={newest[3]}")
    assert f"/credits/receipts/{newest[4]}" in rest and "Older receipts" not in rest
    rows = file(counter.browser.get("/credits/receipts.csv"))
    assert [row[0] for row in rows] == ["Receipt", *map(str, newest)]
    assert rows[1][2:7] == ["200 credits", "200", "8.00", "0.00", "USD"]


def test_the_file_runs_nothing_in_a_spreadsheet(counter):
    made = gateway.order(counter.who)
    fulfilment.apply("test", [gateway.paid(made, method='=HYPERLINK("x")', id=f"-{ids.uuid7()}")])
    row = file(counter.browser.get("/credits/receipts.csv"))[1]
    assert row[8] == '\'=HYPERLINK("x")' and row[10].startswith("'-")
