"""The studio on a phone, where the composer is a sheet over the feed: what goes wrong is seen, focus stays in it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DAILY
from tests.browser.desk import picture

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


def test_esc_closes_what_lies_above_the_sheet_first(who):
    settings = who.page.get_by_role("button", name="Change settings")
    settings.click()
    who.page.get_by_role("button", name="Choose", exact=True).click()
    who.page.get_by_role("button", name="Choose from library").click()
    expect(who.page.get_by_role("dialog")).to_be_visible()
    who.page.keyboard.press("Escape")
    expect(who.page.get_by_role("dialog")).to_be_hidden()
    expect(who.page.locator("[data-sheet-close]")).to_be_visible()
    who.page.get_by_role("button", name="Earlier prompts").click()
    who.page.keyboard.press("Escape")
    expect(who.page.locator("#earlier")).to_be_hidden()
    expect(who.page.locator("[data-sheet-close]")).to_be_visible()
    who.page.keyboard.press("Escape")
    expect(settings).to_be_visible()


def test_a_tap_beside_the_sheet_closes_it(who):
    settings = who.page.get_by_role("button", name="Change settings")
    settings.click()
    expect(settings).to_be_hidden()
    who.page.mouse.click(195, 20)
    expect(settings).to_be_visible()
    assert who.page.locator(".feed").get_attribute("inert") is None


def test_a_wide_window_has_no_sheet(who):
    who.page.get_by_role("button", name="Change settings").click()
    assert who.page.locator(".feed").get_attribute("inert") is not None
    who.page.set_viewport_size({"width": 1440, "height": 900})
    expect(who.page.locator(".feed:not([inert])")).to_be_visible()


def test_a_refused_file_is_told_of_after_a_refused_prompt(who, tmp_path):
    who.expect_status(422)
    who.press_generate()
    expect(who.page.locator("#error-prompt")).to_be_visible()
    who.page.get_by_role("button", name="Change settings").click()
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    who.page.locator('[type="file"]').set_input_files(broken)
    expect(who.page.locator("#error-references")).to_contain_text("broken.png: ")


def test_focus_stays_in_the_tray_when_its_last_reference_goes(who, tmp_path):
    who.page.get_by_role("button", name="Change settings").click()
    who.page.locator('[type="file"]').set_input_files(picture(tmp_path, "jug.png", "teal"))
    expect(who.page.locator("[data-tray] li[data-image]")).to_have_count(1)
    who.page.get_by_role("button", name="Remove reference 1").click()
    expect(who.page.get_by_role("button", name="Choose", exact=True)).to_be_focused()


def test_a_card_that_can_not_be_run_again_says_why_although_the_sheet_is_folded(who):
    who.expect_status(422)
    who.page.get_by_role("button", name="Change settings").click()
    card = who.generate("A jug on a table")
    who.delivered(card, 1)
    why = "A reference is no longer there. Remove it and add it again."
    told = {"status": 422, "headers": {"X-Fragment": "1"}, "content_type": "text/html"}
    body = f'<p class="error" id="error-references">{why}</p><p class="error" id="error-prompt" hidden></p>'
    who.page.route("**/retry", lambda route: route.fulfill(**told, body=body))  # as the studio answers
    card.get_by_role("button", name="Run again").click()
    expect(who.page.locator(".toast")).to_have_text(why)
    expect(who.page.locator("#error-references")).to_have_text(why)


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
