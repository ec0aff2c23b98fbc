"""How a generation ends badly, and what the person is told, offered and charged."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DAILY
from tests.browser.desk import GENERATE, PATIENCE

pytestmark = pytest.mark.browser


def test_a_failure_says_why_costs_nothing_and_keeps_the_request(desk, fake):
    who = desk(credits=100)
    prompt = "A vase that cannot be made [fake: user-error]"
    card = who.generate(prompt, count=2)
    expect(card.locator(".problem")).to_contain_text("The image service could not use this request")
    expect(card.locator(".problem")).to_contain_text("Not charged.")
    who.has_credits(100 + DAILY)
    assert len(fake.images(prompt=prompt)) == 2, "the same would be refused again, so it is not tried again"
    card.get_by_role("link", name="Edit and retry").click()
    expect(who.page.get_by_role("textbox", name="Prompt")).to_have_value(prompt)
    expect(who.page.locator('input[name="count"]:checked')).to_have_value("2")


def test_retry_makes_a_new_one(desk):
    who = desk(credits=100)
    prompt = "A lamp in the second attempt [fake: not-picture times=3]"
    card = who.generate(prompt)
    who.ended(card)
    expect(card.locator(".problem")).to_contain_text("Not charged.")
    who.has_credits(100 + DAILY)
    card.get_by_role("button", name="Retry").click()
    expect(who.cards()).to_have_count(2)
    who.delivered(who.card(prompt), 1)
    expect(who.cards().last.locator(".problem")).to_be_visible()  # the failed one stays as it was
    who.has_credits(99 + DAILY)


def test_what_does_not_arrive_is_not_charged(desk):
    who = desk(credits=100)
    prompt = "Four studies of a jug [fake: fail-outputs=1]"
    card = who.generate(prompt, quality="medium", count=4)
    who.delivered(card, 3)
    expect(card).to_contain_text("3 of 4 delivered")
    expect(card.locator(".receipt")).to_contain_text("12 credits charged for 3 images, 4 credits returned")
    who.has_credits(88 + DAILY)
    card.get_by_role("button", name="Make the missing one · 4").click()
    expect(who.cards()).to_have_count(2)
    who.delivered(who.card(prompt), 1)
    who.has_credits(84 + DAILY)


def test_cancel_gives_the_credits_back(desk, fake):
    who = desk(credits=100)
    card = who.generate("A slow sunrise [fake: latency=30]", quality="medium", count=2)
    expect(card).to_have_attribute("data-state", "running", timeout=PATIENCE)
    who.has_credits(92 + DAILY)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_have_attribute("data-state", "cancelled")
    expect(card.locator(".problem")).to_contain_text("Not charged. 8 credits are back in your balance.")
    who.has_credits(100 + DAILY)
    card.get_by_role("button", name="Retry").click()
    expect(who.cards()).to_have_count(2)
    who.card("A slow sunrise [fake: latency=30]").get_by_role("button", name="Cancel").click()
    expect(who.page.locator("#feed > article[data-state=cancelled]")).to_have_count(2)


def test_too_few_credits_is_said_before_anything_moves(desk):
    who = desk()
    who.write("A cathedral, every stone of it")
    who.choose(quality="high", count=4)
    short = who.page.locator("#shortfall")
    expect(short).to_contain_text(f"This needs 64 credits. You have {DAILY}.")
    expect(who.page.get_by_role("button", name=GENERATE)).to_have_attribute("aria-disabled", "true")
    who.expect_status(402)
    who.page.get_by_role("textbox", name="Prompt").press("Control+Enter")  # the server says the same
    expect(short).to_be_visible()
    expect(who.cards()).to_have_count(0)
    who.has_credits(DAILY)
    short.get_by_role("button", name="Low · 4").click()
    expect(short).to_be_hidden()
    who.press_generate()
    who.delivered(who.card("A cathedral, every stone of it"), 4)
    who.has_credits(0)


@pytest.mark.parametrize("fault", ["moderation", "flag=violence"])
def test_a_refusal_by_the_content_rules_is_plain_and_free(desk, fault):
    who = desk(credits=10)
    who.expect_status(422)
    who.write(f"A quarrel [fake: {fault}]")
    who.choose()
    who.press_generate()
    told = who.page.get_by_text("goes against the content rules").first
    expect(told).to_be_visible()
    who.has_credits(10 + DAILY)
    expect(who.page.get_by_role("textbox", name="Prompt")).to_have_value(f"A quarrel [fake: {fault}]")
    expect(who.page.get_by_role("button", name="Retry")).to_have_count(0)  # the same again would end the same
