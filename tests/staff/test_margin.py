"""The margin page: for staff only, every figure as worked out, files that are safe, a simulator that forgives nothing."""

import csv
import dataclasses
import datetime
import io
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gesso.accounts.models import Workspace
from gesso.billing import registry
from gesso.billing.models import Payment
from gesso.core import catalog, currencies
from gesso.credits import ledger
from gesso.generations.models import Generation
from gesso.staff import margin_periods, margin_words
from tests import world
from tests.staff import till
from tests.staff.shop import browser_of
from tests.staff.test_looking import INLINE

pytestmark = pytest.mark.django_db

PAGE = "/staff/margin/"
PATHS = [PAGE, *(f"{PAGE}{by}.csv" for by in ("model", "quality", "price", "member", "time"))]


@pytest.fixture
def who():
    return world.person(email="ada@example.org")


@pytest.fixture
def sold(who):
    """Two medium pictures for 8 paid credits (32 cents), one of them refused with nothing to pay, and one unknown."""
    till.buy(who)
    return till.work(who, "delivered", "delivered", "user_input", "unknown")


@pytest.fixture
def changed(monkeypatch):
    """Change the catalogue for one test."""

    def change(**fields):
        made = catalog.current().model_copy(update=fields)
        monkeypatch.setattr(catalog, "current", lambda: made)
        return made

    return change


@pytest.fixture
def with_key(settings):
    """Let OpenAI's models be asked from now on."""

    def give():
        settings.GESSO = dataclasses.replace(settings.GESSO, openai_api_key="sk-test")

    registry.configured.cache_clear()
    yield give
    registry.configured.cache_clear()


def text(response) -> str:
    """Return the page's words, with plain signs."""
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))
    return words.replace(currencies.MINUS, "-").replace(margin_words.NOTHING, "-")


def rows(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.content.decode())))


def last_month(generation: Generation) -> None:
    Generation.objects.filter(id=generation.id).update(ended_at=margin_periods.chosen("last").since)


@pytest.mark.parametrize("path", PATHS)
def test_it_is_for_staff_only(path, sold, who):
    assert browser_of(who.user).get(path).status_code == 404
    visitor = Client().get(path)
    assert visitor.status_code == 302
    assert visitor["Location"].endswith(f"?next={path}")


@pytest.mark.parametrize("period", ["month", "last", "year", "", "x", "'"])
@pytest.mark.parametrize("by", ["model", "quality", "price", "member", "time", "x"])
def test_every_view_is_drawn_without_anything_inline(browser, sold, period, by):
    response = browser.get(PAGE, {"period": period, "by": by})
    assert response.status_code == 200
    assert not INLINE.findall(response.content)


def test_nothing_is_said_of_nothing(browser):
    said = text(browser.get(PAGE))
    assert "Nothing ended in this time." in said
    assert "Price simulator" in said


def test_the_table_says_what_was_worked_out(browser, sold):
    # earned 8 x 4 cents; cost 2 x 3.05 + 5.268 cents; 32 - 11.368 = 20.632 cents, 64.475 %
    said = text(browser.get(PAGE))
    assert "gpt-image-2 2 8 $0.32 $0.00 $0.1137 $0.0527 $0.0527 $0.21 64.5%" in said
    assert "Total 2 8 $0.32 $0.00 $0.1137 $0.0527 $0.0527 $0.21 64.5%" in said
    assert "ada@example.org" in text(browser.get(PAGE, {"by": "member"}))


def test_a_loss_is_marked_with_its_sign(browser, who):
    ledger.grant(who.workspace.id, source="staff", amount=8, reference="x")
    till.work(who, "delivered")
    response = browser.get(PAGE)
    # free credits: nothing earned, 3.05 cents lost
    assert "1 4 $0.00 $0.00 $0.0305 $0.00 $0.00 -$0.03 -" in text(response)
    assert b'class="loss"' in response.content


def test_the_page_asks_three_times_and_never_more(browser, sold, who):
    browser.get(PAGE)
    for _ in range(3):
        till.work(who, "delivered")
    for period, most in (("month", 3), ("last", 2), ("year", 3)):
        with CaptureQueriesContext(connection) as seen:
            browser.get(PAGE, {"period": period, "by": "member"})
        asked = [query["sql"] for query in seen if "generations_generation" in query["sql"]]
        assert len(asked) == most


def test_a_file_has_every_figure_to_the_millionth(browser, sold):
    response = browser.get(f"{PAGE}price.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    head, line = rows(response)
    assert dict(zip(head, line, strict=True)) == {
        "Model": "gpt-image-2", "Quality": "medium", "Images": "2", "Credits charged": "8", "Credits paid for": "8",
        "Earned USD": "0.320000", "Refunds USD": "0.000000", "Cost USD": "0.113680", "Failures USD": "0.052680",
        "May have cost USD": "0.052680", "Attempts of unknown cost": "0", "Margin USD": "0.206320", "Margin %": "64.5",
    }  # fmt: skip


def test_no_cell_of_a_file_is_a_formula(browser, sold, who):
    Workspace.objects.filter(id=who.workspace.id).update(name=' =HYPERLINK("http://x")')
    type(who.user).objects.filter(id=who.user.id).update(email="+cmd@example.org")
    line = rows(browser.get(f"{PAGE}member.csv"))[1]
    assert line[:2] == ['\' =HYPERLINK("http://x")', "'+cmd@example.org"]


def test_a_negative_number_stays_a_number(browser, who):
    ledger.grant(who.workspace.id, source="staff", amount=8, reference="x")
    till.work(who, "delivered")
    line = rows(browser.get(f"{PAGE}time.csv"))[1]
    assert line[-2:] == ["-0.030500", ""]


@pytest.mark.parametrize("by", ["x", "total", "Model"])
def test_a_table_that_is_none_is_not_there(browser, by):
    assert browser.get(f"{PAGE}{by}.csv").status_code == 404


def test_a_name_is_no_markup(browser, sold, who):
    Workspace.objects.filter(id=who.workspace.id).update(name="<b onclick=x>")
    response = browser.get(PAGE, {"by": "member"})
    assert b"&lt;b onclick=x&gt;" in response.content
    assert b"<b onclick" not in response.content


def test_money_of_a_test_mode_is_said(browser, sold):
    sentence = "There is no real payment yet"
    assert sentence in text(browser.get(PAGE))
    assert sentence not in text(browser.get(PAGE, {"period": "last"}))  # nothing was earned then
    till.as_if(Payment.objects.get(), live=True)
    assert sentence not in text(browser.get(PAGE))


def test_unknown_cost_is_said(browser, who):
    till.buy(who)
    till.work(who, "delivered", model="gone")
    said = text(browser.get(PAGE))
    assert "What 1 attempt cost is not known" in said
    assert "+ ?" in said


def test_without_a_rate_nothing_is_said_of_margins(browser, sold, changed):
    changed(currency="eur")
    said = text(browser.get(PAGE))
    assert "until billing.usd_rate is set in the catalogue" in said
    assert "8 credits were paid in another currency" in said
    assert "2 8 €0.00 €0.00 - - - - -" in said.replace(" + ?", "")
    head, line = rows(browser.get(f"{PAGE}model.csv"))
    found = dict(zip(head, line, strict=True))
    assert (found["Cost EUR"], found["Margin EUR"], found["Margin %"]) == ("", "", "")


def test_last_month_at_the_prices_of_now_is_as_it_was(browser, sold):
    last_month(sold)
    said = text(browser.get(PAGE, {"period": "last"}))
    # a credit is worth 2.8 cents in the cheapest plan: 8 x 2.8 = 22.4 cents; it had been bought for 4
    assert "As it was 2 8 $0.32 $0.00 $0.1137" in said
    assert "At these prices 2 8 $0.22 $0.00 $0.1137" in said


def asked(**fields) -> dict[str, str]:
    models = {f"times.{model.id}": "1" for model in catalog.current().models if model.provider != "sandbox"}
    return {"low": "1", "medium": "4", "high": "16", "credit": "0.04"} | models | fields


def test_other_prices_bring_other_margins(browser, sold):
    last_month(sold)
    said = text(browser.get(PAGE, asked(medium="6", **{"times.gpt-image-2": "2"}, credit="0.05")))
    # 2 pictures x 12 credits x 5 cents = $1.20; less 11.368 cents: $1.08632, 90.5 %
    assert "At these prices 2 24 $1.20 $0.00 $0.1137 $0.0527 $0.0527 $1.09 90.5%" in said
    # one picture: 12 credits, 60 cents; none ended in the last 30 days or the measured 3.05 cents
    assert re.search(r"GPT Image 2 medium 12 \$0\.6000 \$0\.0(305|527) ", said)


def test_free_credits_stay_free_in_the_simulator(browser, who):
    till.buy(who)
    ledger.grant(who.workspace.id, source="daily", amount=4, reference="x", expires_at=_tomorrow())
    last_month(till.work(who, "delivered", "delivered"))
    said = text(browser.get(PAGE, asked(medium="8", credit="0.1")))
    # 16 credits, half of them paid: 80 cents
    assert "At these prices 2 16 $0.80" in said


def test_refunds_stay_refunds_in_the_simulator(browser, who):
    payment = till.buy(who)
    last_month(till.work(who, *["delivered"] * 4))
    last_month(till.work(who, *["delivered"] * 4, quality="high"))
    till.told_again(payment, refunded=700)  # $1 of $3.20 is left
    assert "At these prices 8 80 $3.20 $2.20 $0.24" in text(browser.get(PAGE, asked()))
    assert "At these prices 8 80 $6.40 $4.40 $0.24" in text(browser.get(PAGE, asked(credit="0.08")))


def test_one_image_below_its_cost_is_marked(browser):
    response = browser.get(PAGE, asked(high="1", credit="0.1"))
    # 10 cents for what costs 21.072
    assert "GPT Image 2 high 1 $0.1000 $0.2107 -$0.1107 -110.7%" in text(response)
    assert response.content.count(b'class="loss"') == 2  # and GPT Image 1.5


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("low", "", "Write a whole number from 1 to 100,000."),
        ("low", "0", "Write a whole number from 1 to 100,000."),
        ("medium", "-4", "Write a whole number from 1 to 100,000."),
        ("high", "1e9", "Write a whole number from 1 to 100,000."),
        ("high", "9" * 400, "Write a whole number from 1 to 100,000."),
        ("times.gpt-image-2", "101", "Write a whole number from 1 to 100."),
        ("credit", "", "Say what a credit is worth."),
        ("credit", "dear", "Write an amount such as 0.035"),
        ("credit", "-1", "Write an amount such as 0.035"),
        ("credit", "0,04", "Write an amount such as 0.035"),
        ("credit", "0.0000001", "Write an amount such as 0.035"),
        ("credit", "NaN", "Write an amount such as 0.035"),
        ("credit", "9" * 14, "at most 13 characters"),
        ("credit", "0.0\0", "Null characters are not allowed."),
    ],
)
def test_bad_input_is_a_sentence(browser, sold, field, value, sentence):
    response = browser.get(PAGE, asked(**{field: value}))
    assert response.status_code == 400
    said = text(response)
    assert sentence in said
    assert "Not understood." in said
    assert "At these prices" not in said
    assert "$0.32" in said  # the period is still there


@pytest.mark.parametrize("fields", [{"low": "2"}, {"credit": "0.05"}])
def test_a_form_that_is_cut_off_is_not_guessed(browser, fields):
    assert browser.get(PAGE, fields).status_code == 400


def _tomorrow():
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)


def test_prices_below_cost_are_said_on_both_pages(browser, changed, with_key):
    with_key()
    for path in ("/staff/", PAGE):
        assert "an image is sold for" not in text(browser.get(path))
    changed(prices=catalog.current().prices.model_copy(update={"high": 1}))
    for path in ("/staff/", PAGE):
        assert "GPT Image 2, high: an image is sold for 1 credit, at least $0.0280, and may cost" in text(
            browser.get(path)
        )


def test_the_first_page_leads_here_and_measures(browser, who, with_key):
    till.buy(who)
    till.work(who, "delivered", quality="low", usage={"input_tokens": 0, "output_tokens": 1000})
    with_key()
    response = browser.get("/staff/")
    assert 'href="/staff/margin/"' in response.content.decode()
    # 1,000 tokens of $30 a million: 3 cents, for a credit of 2.8
    assert "sold for 1 credit, at least $0.0280, and cost on average in the last 30 days $0.0300." in text(response)
