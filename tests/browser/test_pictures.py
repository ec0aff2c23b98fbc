"""What is done with pictures: into the tray and out of it, all at once to disk, into the trash and back."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DAILY
from tests.browser.desk import PATIENCE, opened, picture

pytestmark = pytest.mark.browser


def test_download_all_saves_each(desk):
    who = desk(credits=20)
    card = who.generate("A pair of salt cellars", count=2)
    who.delivered(card, 2)
    saved = []
    with who.page.expect_download(lambda each: saved.append(each) or len(saved) == 2):
        card.get_by_role("button", name="Download all").click()
    assert [opened(each).size for each in saved] == [(1024, 1024)] * 2
    assert len({each.suggested_filename for each in saved}) == 2


def test_a_star_on_a_card_is_a_favourite_in_the_library(desk):
    who = desk(credits=20)
    card = who.generate("A lemon with its leaf", count=2)
    who.delivered(card, 2)
    tile = card.locator("li.tile").first
    tile.hover()
    with who.page.expect_response("**/favourite"):
        tile.get_by_role("button", name="Favourite").click()
    expect(tile.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    who.go("/library")
    who.page.get_by_role("link", name="Favourites").click()
    expect(who.page.locator("#wall li.tile")).to_have_count(1)


def test_the_trash_gives_back(desk):
    who = desk(credits=20)
    who.delivered(who.generate("A cup to be dropped"), 1)
    who.go("/library")
    tile = who.page.locator("#wall li.tile").first
    tile.hover()
    tile.get_by_role("button", name="Move to trash").click()
    expect(who.page.locator("#wall li.tile")).to_have_count(0)
    who.go("/studio")
    expect(who.page.get_by_text("In the trash")).to_be_visible()
    who.go("/trash")
    tile = who.page.locator("#wall li.tile").first
    tile.hover()
    tile.get_by_role("button", name="Put back").click()
    expect(who.page.locator("#wall li.tile")).to_have_count(0)
    who.go("/library")
    expect(who.page.locator("#wall li.tile")).to_have_count(1)


def test_a_file_that_is_no_picture_is_refused_beside_the_tray(desk, tmp_path):
    who = desk()
    who.expect_status(422)
    wrong = tmp_path / "notes.png"
    wrong.write_text("not a picture")
    who.page.locator('.composer input[type="file"]').set_input_files([wrong, picture(tmp_path, "right.png", "#123456")])
    expect(who.page.locator("#error-references")).to_contain_text("notes.png: ", timeout=PATIENCE)
    expect(who.page.locator("[data-tray] li[data-image]")).to_have_count(1)


def test_a_reference_is_found_in_the_library_by_its_name(desk, tmp_path):
    who = desk()
    for name in ("teapot.png", "kettle.png"):
        who.page.locator('.composer input[type="file"]').set_input_files(picture(tmp_path, name, "teal"))
    expect(who.page.locator("[data-tray] li[data-image]")).to_have_count(2)
    who.page.get_by_role("button", name="Clear", exact=True).click()
    who.page.keyboard.press("/")
    expect(who.page.get_by_role("textbox", name="Prompt")).to_be_focused()
    who.page.locator(".composer .drop:not(.over) button").click()
    who.page.get_by_role("button", name="Choose from library").click()
    picks = who.page.locator("#picks img")
    expect(picks).to_have_count(2)
    who.page.get_by_role("searchbox", name="Search prompts").fill("teap")
    expect(picks).to_have_count(1)
    picks.click()
    expect(who.page.locator("[data-tray] li[data-image]")).to_have_count(1)


def test_references_go_in_their_order_and_with_their_use(desk, fake, tmp_path):
    who = desk(credits=20)
    for number, colour in enumerate(("#ff0000", "#00ff00", "#0000ff"), start=1):
        file = picture(tmp_path, f"{number}.png", colour, (100 + number, 100))
        who.page.locator('.composer input[type="file"]').set_input_files(file)
        expect(who.page.locator("[data-tray] li[data-image]")).to_have_count(number, timeout=PATIENCE)
    who.page.get_by_role("button", name="Reference 3. Options").click()
    who.page.locator("#reference-menu").get_by_role("button", name="Style").click()
    who.page.get_by_role("button", name="Reference 3, style. Options").press("Alt+ArrowLeft")
    expect(who.page.get_by_role("button", name="Reference 2, style. Options")).to_be_visible()
    who.page.locator("[data-tray] li").first.hover()
    who.page.get_by_role("button", name="Remove reference 1").click()
    expect(who.page.locator("[data-reference-count]")).to_have_text("2 of 5")
    prompt = "Two of the three references"
    card = who.generate(prompt)
    who.delivered(card, 1)
    expect(card.get_by_role("img", name="Reference 1, style")).to_be_visible()
    (call,) = [call for call in fake.images() if prompt in call["prompt"]]
    assert "image 1 gives the style" in call["prompt"]
    assert len(call["references"]) == 2
    who.has_credits(19 + DAILY)


def test_a_word_of_three_hundred_letters_stays_inside(desk):
    who = desk(credits=20)
    who.page.set_viewport_size({"width": 390, "height": 844})
    word = "W" * 300
    who.write(word)
    who.page.get_by_role("textbox", name="Prompt").press("Control+Enter")
    expect(who.cards()).to_have_count(1)
    for path in ("/studio", "/credits", "/library"):
        who.go(path)
        assert who.page.evaluate("document.documentElement.scrollWidth") == 390, path
