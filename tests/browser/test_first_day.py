"""The owner's first day and the next one: from the link that `gesso run` prints to an old image made again."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import looks
from tests.browser.desk import PASSWORD, PATIENCE, opened, picture

pytestmark = pytest.mark.browser

OWNER = "owner@example.com"
PROMPT = "Three pears in a stoneware bowl on linen"


def test_from_the_owner_link_to_reuse_on_the_next_day(site, fake, desk, tmp_path):
    day = desk(OWNER, come_in=False)
    _claim(day, site)
    _two_references(day, tmp_path)
    card = day.generate(PROMPT, count=4)
    day.delivered(card, 4)
    expect(card.locator(".from li")).to_have_count(2)
    expect(card.locator(".receipt")).to_contain_text("4 credits charged for 4 images")
    assert [len(call["references"]) for call in fake.images(prompt=PROMPT)] == [2, 2, 2, 2]
    _download_each(day, card)
    _from_library_to_reference(day)

    next_day = desk(OWNER, come_in=False)
    _sign_in(next_day)
    _remix(next_day)
    again = next_day.generate(f"{PROMPT}, at dusk", count=2)
    next_day.delivered(again, 2)
    expect(again.locator(".from li")).to_have_count(2)
    assert [len(call["references"]) for call in fake.images(prompt=f"{PROMPT}, at dusk")] == [2, 2]


def _claim(day, site):
    link = next(line for line in site.said if "/owner/" in line)
    day.page.goto(link)
    assert looks.wrong(day.page) == []
    day.page.get_by_label("Email").fill(OWNER)
    day.page.get_by_label("Password").fill(PASSWORD)
    day.page.get_by_role("button", name="Open the studio").click()
    day.page.wait_for_url("**/studio*")
    day.has_credits(1004)


def _two_references(day, tmp_path):
    files = [picture(tmp_path, "vase.png", "#2440c0"), picture(tmp_path, "linen.jpeg", "#b0301c")]
    day.page.locator('.composer input[type="file"]').set_input_files(files)
    expect(day.page.locator("[data-tray] li[data-image]")).to_have_count(2, timeout=PATIENCE)
    expect(day.page.locator("[data-reference-count]")).to_have_text("2 of 5")


def _download_each(day, card):
    seen = set()
    for place in range(4):
        tile = card.locator("li.tile").nth(place)
        tile.hover()
        with day.page.expect_download() as started:
            tile.get_by_role("link", name="Download").click()
        image = opened(started.value)
        assert (image.format, image.size) == ("PNG", (1024, 1024))
        assert re.match(r"three-pears-in-a-stoneware-bowl.*\.png$", started.value.suggested_filename, re.IGNORECASE)
        seen.add(image.convert("RGB").tobytes())
    assert len(seen) == 4, "the four pictures differ"


def _from_library_to_reference(day):
    day.go("/library")
    expect(day.page.locator("#wall li.tile")).to_have_count(6)  # four made, two uploaded
    day.page.get_by_role("searchbox").fill("stoneware")
    day.page.get_by_role("searchbox").press("Enter")
    expect(day.page.locator("#wall li.tile")).to_have_count(4)
    day.page.locator("#wall li.tile > a").first.click()
    expect(day.page.locator(".prompt-said")).to_have_text(PROMPT)
    day.page.get_by_role("link", name="Use as reference").click()
    expect(day.page.locator("[data-tray] li[data-image]")).to_have_count(3, timeout=PATIENCE)  # the draft kept two


def _sign_in(day):
    day.go("/library")  # signed out: first to the sign-in page, then back
    day.page.get_by_label("Email").fill(OWNER)
    day.page.get_by_label("Password").fill(PASSWORD)
    day.page.get_by_role("button", name="Sign in", exact=True).click()
    day.page.wait_for_url("**/library")


def _remix(day):
    day.page.locator("#wall li.tile > a").first.click()
    day.page.get_by_role("link", name="Remix").click()
    expect(day.page.get_by_role("textbox", name="Prompt")).to_have_value(PROMPT)
    expect(day.page.locator("[data-tray] li[data-image]")).to_have_count(2, timeout=PATIENCE)
    expect(day.page.locator('input[name="quality"]:checked')).to_have_value("low")
    expect(day.page.locator('input[name="count"]:checked')).to_have_value("4")
