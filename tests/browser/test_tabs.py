"""Reloads, second tabs, double clicks, and a browser without JavaScript: nothing is lost and nothing is made twice."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DAILY
from tests.browser.desk import GENERATE, PATIENCE

pytestmark = pytest.mark.browser


def test_a_reload_while_it_is_made_changes_nothing(desk):
    who = desk(credits=100)
    prompt = "A harbour at six in the morning [fake: latency=6]"
    card = who.generate(prompt, count=2)
    expect(card).to_have_attribute("data-state", "running", timeout=PATIENCE)
    who.page.reload()
    expect(who.cards()).to_have_count(1)
    expect(who.page.get_by_role("textbox", name="Prompt")).to_have_value(prompt)  # the draft stays
    who.delivered(who.card(prompt), 2)
    who.has_credits(98 + DAILY)


def test_another_tab_shows_it_without_a_reload(desk):
    who = desk(credits=100)
    other = who.go("/studio", who.tab())
    prompt = "A greenhouse after rain [fake: latency=1]"
    who.generate(prompt)
    who.delivered(who.card(prompt, other), 1)
    who.has_credits(99 + DAILY, other)
    other.close()
    who.delivered(who.card(prompt), 1)


def test_credits_that_come_between_the_page_and_its_stream_are_shown(desk, site):
    who = desk()
    granted = []

    def grant_first(route):
        if not granted:
            granted.append(site.run("grant", who.email, "30", "--reason", "a browser test").returncode)
        route.continue_()

    who.page.route("**/events*", grant_first)  # for good: to take it away holds up what is asked in that moment
    who.go("/credits")
    who.has_credits(30 + DAILY)
    assert granted == [0]


def test_a_question_that_is_never_answered_is_asked_again(desk, site):
    who = desk()
    who.go("/credits")
    unanswered = []
    who.page.route("**/credits/balance*", lambda route: route.continue_() if unanswered else unanswered.append(route))
    assert site.run("grant", who.email, "30", "--reason", "a browser test").returncode == 0
    who.has_credits(30 + DAILY)
    assert len(unanswered) == 1


def test_a_double_click_makes_one(desk, fake):
    who = desk(credits=100)
    prompt = "A single red kite over a field"
    who.write(prompt)
    who.choose()
    who.page.get_by_role("button", name=GENERATE).dblclick()
    who.delivered(who.card(prompt), 1)
    expect(who.cards()).to_have_count(1)
    assert len(fake.images(prompt=prompt)) == 1
    who.has_credits(99 + DAILY)


def test_the_same_again_after_a_while_is_a_second_one(desk):
    who = desk(credits=100)
    prompt = "Two of the same boat"
    who.delivered(who.generate(prompt), 1)
    who.page.wait_for_timeout(1100)  # a double click is shorter than this
    who.press_generate()
    expect(who.cards()).to_have_count(2)
    who.delivered(who.card(prompt), 1)
    who.has_credits(98 + DAILY)


def test_several_shapes_are_one_generation_each(desk):
    who = desk(credits=100)
    who.write("A poster for a small museum")
    who.choose()
    who.page.locator('.composer label:has(input[value="16:9"])').click()
    expect(who.page.get_by_role("button", name=GENERATE)).to_contain_text("2 credits")
    who.press_generate()
    expect(who.cards()).to_have_count(2)
    who.has_credits(98 + DAILY)


def test_without_javascript_a_form_still_generates(desk):
    who = desk(credits=100, java_script_enabled=False)
    prompt = "A chair drawn without a script"
    who.write(prompt)
    who.choose(count=2)
    who.press_generate()
    card = who.card(prompt)
    for _ in range(120):
        if card.get_attribute("data-in-hand") is None:
            break
        who.page.wait_for_timeout(500)
        who.page.reload()
    who.delivered(card, 2)
    expect(card.locator(".receipt")).to_contain_text("2 credits charged for 2 images")


def test_without_javascript_a_mistake_keeps_what_was_written(desk):
    who = desk(java_script_enabled=False)
    who.expect_status(402)
    who.write("A palace of many rooms")
    who.choose(quality="high", count=4)
    who.press_generate()
    expect(who.page.get_by_text("This needs 64 credits. You have 4.").first).to_be_visible()
    expect(who.page.get_by_role("textbox", name="Prompt")).to_have_value("A palace of many rooms")
    expect(who.page.locator('input[name="quality"]:checked')).to_have_value("high")
    expect(who.cards()).to_have_count(0)
