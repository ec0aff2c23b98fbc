"""The studio on a phone, where the composer is a sheet over the feed: what goes wrong is seen, focus stays in it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DAILY

pytestmark = pytest.mark.browser


@pytest.fixture
def who(desk):
    return desk(credits=10, viewport={"width": 390, "height": 844})


def test_a_refusal_is_seen(who):
    who.write("A jug on a table")
    who.context.set_offline(True)
    who.press_generate()
    expect(who.page.get_by_text("Could not reach Gesso.")).to_be_visible()
    who.context.set_offline(False)
    who.complaints.clear()  # a browser writes each lost request to the console


def test_a_mistake_in_a_setting_opens_the_sheet_at_it(who):
    who.expect_status(422)
    who.write("A jug on a table")

    def spoil(route):
        words = route.request.post_data
        route.continue_(post_data=words.replace("format=png", "format=gif") if words else None)

    who.page.route("**/studio", spoil)
    who.press_generate()
    expect(who.page.locator("#error-format")).to_be_visible()
    expect(who.page.locator("select[name=format]")).to_be_focused()


def test_the_sheet_holds_focus_and_gives_it_back(who):
    settings = who.page.get_by_role("button", name="Change settings")
    settings.focus()
    who.page.keyboard.press("Enter")
    expect(who.page.get_by_role("button", name="Close settings")).to_be_focused()
    assert who.page.locator(".feed").get_attribute("inert") is not None
    who.page.keyboard.press("Escape")
    expect(settings).to_be_focused()
    assert who.page.locator(".feed").get_attribute("inert") is None


def test_the_balance_above_the_feed_follows(who):
    shown = who.page.locator("[data-shown]")
    expect(shown).to_have_text(str(10 + DAILY))
    who.page.get_by_role("button", name="Change settings").click()
    who.delivered(who.generate("A jug on a table"), 1)
    expect(shown).to_have_text(str(9 + DAILY))


def test_every_shape_is_in_sight(who):
    who.page.get_by_role("button", name="Change settings").click()
    shapes = who.page.locator(".ratios label")
    boxes = [shape.bounding_box() for shape in shapes.all()]
    assert len(boxes) >= 9
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["height"] >= 44 for box in boxes)


def test_a_card_that_can_not_be_run_again_says_so_in_sight_and_once(desk):
    who = desk(viewport={"width": 1440, "height": 900})
    who.expect_status(402)
    card = who.generate("A jug on a table", count=DAILY)
    who.delivered(card, DAILY)
    card.get_by_role("button", name="Run again").click()
    expect(who.page.locator(".toast")).to_contain_text("You have 0")
    expect(who.page.locator("#shortfall")).to_be_visible()
    expect(who.page.locator("#refusal")).to_be_hidden()
