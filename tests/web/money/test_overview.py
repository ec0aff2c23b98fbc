"""/credits: numbers that are the ledger's, what comes next, what is on hold, debt, filters, the file of the statement."""

import asyncio
import csv
import datetime
import io
import re

import pytest

from gesso.billing import fulfilment
from gesso.billing.models import Payment
from gesso.core import clock
from gesso.credits import ledger, queries
from gesso.credits.models import CreditEntry
from tests import world
from tests.billing import shop as gateway
from tests.web.money import counter as shop

pytestmark = pytest.mark.django_db(transaction=True)


def spend(who, held: int, charged: int, reference: str):
    """Hold so many credits and charge some of them."""
    hold = ledger.hold(who.workspace.id, amount=held, reference=reference)
    ledger.settle(hold.id, captured=charged)
    return hold


def rows(counter, show: str = "") -> list[dict[str, str]]:
    """Return the file of the statement."""
    response = counter.browser.get("/credits/statement.csv", {"show": show} if show else {})

    async def whole() -> bytes:
        return b"".join([part async for part in response.streaming_content])

    return list(csv.DictReader(io.StringIO(asyncio.run(whole()).decode())))


def test_nothing_yet_is_said(counter):
    page = counter.get("/credits")
    for words in (
        "There are no credits at present.",
        "Nothing has moved yet.",
        "Nothing was charged in the last 30 days.",
    ):
        assert words in page
    assert "statement.csv" not in page and rows(counter) == []


def test_sources_in_the_order_they_are_used_and_what_comes_next(counter):
    world.verify(counter.who)
    counter.get(counter.pay("pack-200"))
    counter.get(counter.pay("studio"))
    page = counter.get("/credits")
    table = page[page.index("Used in this order") : page.index("Last 30 days")]
    names = re.findall(r'aria-hidden="true"></span>([^<]*)</th>', table)
    assert names == ["Daily", "Plan, Studio", "Pack, bought today"]
    assert "Tonight, then 4 new" in table and re.search(r"\d+ \w+, 400 new on \d+ \w+", table) and "Never" in table
    amounts = re.findall(r'end amt">([\d,]+)<', table)
    assert [int(amount) for amount in amounts] == [
        grant.available for grant in queries.balance(counter.who.workspace.id).grants
    ]
    assert '<span class="big">604</span>' in page


def test_what_is_on_hold_is_linked_to_its_generation(counter):
    counter.get(counter.pay("pack-200"))
    made = world.submit(counter.who, "A cobalt bottle", count=2)
    page = counter.get("/credits")
    assert "8 credits are on hold" in page
    assert f'<li><a href="/generations/{made.id}" dir="auto">A cobalt bottle</a> · 8</li>' in page
    world.drive(made, world.ScriptedProvider())
    assert "on hold" not in counter.get("/credits")


def test_debt_says_how_it_is_paid_back(counter):
    made = gateway.order(counter.who)
    fulfilment.apply("test", [gateway.paid(made)])
    spend(counter.who, 150, 150, "work")
    fulfilment.apply("test", [gateway.paid(made, refunded=800)])
    page = counter.get("/credits")
    assert "150 credits owed." in page and "The next pack or month of a plan pays it first" in page
    assert re.search(r'end amt nowrap">150 owed<', page) and "Taken back" in page
    counter.get(counter.pay("pack-200"))
    page = counter.get("/credits")
    assert "owed.</strong>" not in page and '<span class="big">50</span>' in page
    assert ">Repaid</span>" in page
    # every line that a payment wrote leads to its receipt
    for payment in Payment.objects.all():
        assert f'href="/credits/receipts/{payment.id}"' in page


def test_filters_leave_lines_out_and_change_none(counter):
    counter.get(counter.pay("pack-200"))
    spend(counter.who, 10, 6, "work")
    whole = rows(counter)
    assert [row["Kind"] for row in whole] == ["Returned", "Charged", "Held", "Added"]
    for show, kind in (("charges", "Charged"), ("returned", "Returned"), ("added", "Added")):
        page = counter.get(f"/credits?show={show}")
        assert re.findall(r'class="tag [a-z]*">(\w+)</span>', page) == [kind]
        assert f'show={show}#statement" aria-current="true"' in page
        assert rows(counter, show) == [row for row in whole if row["Kind"] == kind]
    counter.get("/credits?show=all", 400)
    assert counter.browser.get("/credits/statement.csv?show=all").status_code == 400
    spend(shop.stand(world.person(credits=5)).who, 1, 1, "of a stranger")
    assert rows(counter) == whole


def test_a_filter_stays_while_one_leafs(counter, monkeypatch):
    monkeypatch.setattr("gesso.web.money.overview.PAGE", 2)
    counter.get(counter.pay("pack-200"))
    for number in range(5):
        spend(counter.who, 1, 1, f"work {number}")
    page, seen = counter.get("/credits?show=charges"), 0
    while True:
        seen += page.count(">Charged</span>")
        older = re.search(r'href="(/credits\?show=charges&cursor=\d+)#statement"', page)
        if not older:
            break
        page = counter.get(older[1])
        assert '/credits?show=charges#statement">Newest entries' in page
    assert seen == 5


def test_the_file_adds_up_to_the_wallet(counter, monkeypatch):
    monkeypatch.setattr("gesso.web.money.statement.PART", 3)
    counter.get(counter.pay("pack-200"))
    for number in range(4):
        spend(counter.who, 5, number, f"work {number}")
    found = rows(counter)
    assert len(found) == CreditEntry.objects.count() > 9
    assert sum(int(row["Credits"]) for row in found) == int(found[0]["Balance"]) == world.available(counter.who)
    assert sum(int(row["Moved"]) for row in found if row["Kind"] == "Charged") == 0 + 1 + 2 + 3
    assert [row["Receipt"] for row in found if row["Kind"] == "Added"] == [str(Payment.objects.get().id)]


def test_the_file_runs_nothing_in_a_spreadsheet(counter):
    counter.get(counter.pay("pack-200"))
    for prompt in ("=1+1", "+1", "-1 or so", "@cell"):
        world.submit(counter.who, prompt, quality="low")
    held = [row for row in rows(counter) if row["Kind"] == "Held"]
    assert [row["What"] for row in held] == ["'@cell", "'-1 or so", "'+1", "'=1+1"]
    assert {row["Credits"] for row in held} == {"-1"}  # a number stays one
    assert all(row["Generation"] for row in held)


def test_the_chart_is_the_ledgers(counter):
    counter.get(counter.pay("pack-200"))
    spend(counter.who, 10, 6, "work")
    hold = spend(counter.who, 4, 4, "more work")
    ledger.give_back(hold.id, amount=1, reference="given", reason="A test")
    today = f"{clock.day_of(clock.now()).day} {clock.day_of(clock.now()):%B}"
    page = counter.get("/credits")
    assert "10 credits charged, 5 returned" in page
    assert f"<title>{today}: 10 charged, 5 returned</title>" in page
    assert re.search(rf'scope="row" class="what">{today}</th><td class="end amt">10<', page)
    days = queries.use_by_day(counter.who.workspace.id)
    assert (len(days), days[-1].charged, days[-1].returned) == (30, 10, 5)
    assert sum(day.charged for day in days[:-1]) == 0


def test_use_counts_days_of_the_instances_calendar(counter, settings, monkeypatch):
    counter.get(counter.pay("pack-200"))
    spend(counter.who, 2, 2, "work")
    tomorrow = clock.now() + datetime.timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    days = queries.use_by_day(counter.who.workspace.id)
    assert [day.charged for day in days[-3:]] == [0, 2, 0]


def test_the_page_asks_no_more_for_many_lines(counter, django_assert_max_num_queries):
    counter.get(counter.pay("pack-1000"))
    for number in range(20):
        world.submit(counter.who, f"Picture {number}", quality="low")
    with django_assert_max_num_queries(19):
        counter.get("/credits")


@pytest.mark.parametrize("query", ["cursor=abc", "cursor=-1", "show=x", "cursor=1&show=<b>"])
def test_what_no_list_gave_out(counter, query):
    counter.get(f"/credits?{query}", 400)
