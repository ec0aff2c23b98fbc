"""The studio and the library without a pointer: every key that the list of keys names does what it says."""

import pytest
from playwright.sync_api import expect

from tests.browser.desk import PATIENCE, opened

pytestmark = pytest.mark.browser


def test_tab_to_the_prompt_and_generate(desk):
    who = desk(credits=50)
    who.go("/studio")
    for _ in range(20):
        if who.page.evaluate("document.activeElement?.id") == "prompt":
            break
        who.page.keyboard.press("Tab")
    expect(who.page.locator("#prompt")).to_be_focused()
    who.page.keyboard.type("A boat that nobody clicked")
    who.page.keyboard.press("Control+Enter")
    who.delivered(who.card("A boat that nobody clicked"), 1)


def test_the_list_of_keys(desk):
    who = desk()
    who.go("/studio")
    keys = who.page.get_by_role("dialog", name="Keyboard")
    expect(keys).to_be_hidden()
    who.page.keyboard.press("?")
    expect(keys).to_be_visible()
    who.page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    who.page.keyboard.press("/")
    expect(who.page.locator("#prompt")).to_be_focused()
    who.page.keyboard.type("?gl")  # typing is typing
    expect(keys).to_be_hidden()
    who.page.locator("body").click(position={"x": 5, "y": 5})
    who.page.keyboard.press("g")
    who.page.keyboard.press("l")
    who.page.wait_for_url("**/library")
    who.page.keyboard.press("g")
    who.page.keyboard.press("c")
    who.page.wait_for_url("**/studio")


def test_single_keys_can_be_turned_off(desk):
    who = desk()
    who.go("/studio")
    who.page.keyboard.press("?")
    who.page.get_by_role("switch").click()
    who.page.keyboard.press("Escape")
    who.page.keyboard.press("?")
    expect(who.page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_cards_are_walked_and_their_pictures_used(desk):
    who = desk(credits=50)
    for prompt in ("The first of two keys", "The second of two keys"):
        who.delivered(who.generate(prompt), 1)
    who.page.reload()
    expect(who.cards()).to_have_count(2)
    who.page.keyboard.press("j")
    expect(who.page.locator("#feed > article:first-of-type")).to_be_focused()
    who.page.keyboard.press("j")
    expect(who.page.locator("#feed > article:last-of-type")).to_be_focused()
    who.page.keyboard.press("k")
    expect(who.page.locator("#feed > article:first-of-type")).to_be_focused()
    who.page.keyboard.press("r")
    expect(who.page.locator("[data-tray] li[data-image]")).to_have_count(1, timeout=PATIENCE)
    who.page.keyboard.press("f")
    star = who.cards().first.locator('[data-key="f"]')
    expect(star).to_have_attribute("aria-pressed", "true")
    with who.page.expect_download() as started:
        who.page.keyboard.press("d")
    assert opened(started.value).size == (1024, 1024)
    who.go("/library?favourite=1")
    expect(who.page.locator("#wall li.tile")).to_have_count(1)


def test_earlier_prompts_come_back(desk):
    who = desk(credits=50)
    for prompt in ("An older prompt", "A newer prompt"):
        who.generate(prompt)
    box = who.page.get_by_role("textbox", name="Prompt")
    box.fill("")
    box.press("Alt+ArrowUp")
    expect(box).to_have_value("A newer prompt")
    box.press("Alt+ArrowUp")
    expect(box).to_have_value("An older prompt")
    box.press("Alt+ArrowDown")
    expect(box).to_have_value("A newer prompt")


def test_the_library_by_keys(desk):
    who = desk(credits=50)
    who.delivered(who.generate("A wall of two", count=2), 2)
    who.go("/library")
    tiles = who.page.locator("#wall li.tile")
    expect(tiles).to_have_count(2)
    who.page.keyboard.press("j")
    who.page.keyboard.press("f")
    expect(tiles.first.locator('[data-key="f"]')).to_have_attribute("aria-pressed", "true")
    who.page.keyboard.press("Delete")
    expect(tiles).to_have_count(1)
    who.page.get_by_role("button", name="Undo").click()
    expect(tiles).to_have_count(2)
    who.page.keyboard.press("Enter")
    who.page.wait_for_url("**/images/*")
    who.page.keyboard.press("Escape")
    who.page.wait_for_url("**/library")
    who.page.keyboard.press("/")
    expect(who.page.locator("[type=search]")).to_be_focused()


def test_escape_leads_back_to_where_the_viewer_was_opened(desk):
    who = desk(credits=50)
    card = who.generate("A lamp to return to", count=2)
    who.delivered(card, 2)
    card.locator("li.tile > a").first.click()
    who.page.wait_for_url("**/images/*")
    expect(who.page.get_by_role("link", name="Back to the studio")).to_be_visible()
    who.page.keyboard.press("Escape")
    who.page.wait_for_url("**/studio")
    who.go("/library?q=lamp")
    who.page.evaluate("history.replaceState('as it was left', '')")
    who.page.keyboard.press("j")
    who.page.keyboard.press("Enter")
    who.page.wait_for_url("**/images/*")
    first = who.page.url
    who.page.keyboard.press("j")  # the older one
    who.page.wait_for_url(lambda url: "/images/" in url and url != first)
    expect(who.page.get_by_role("link", name="Back to the library")).to_have_attribute(
        "href", f"{who.site.url}/library?q=lamp"
    )
    who.page.keyboard.press("Escape")
    who.page.wait_for_url("**/library?q=lamp")
    assert who.page.evaluate("history.state") == "as it was left"
    tile = who.page.locator("#wall li.tile").first
    tile.locator("a").first.click()
    who.page.wait_for_url("**/images/*")
    with who.page.expect_response("**/favourite"):
        who.page.keyboard.press("f")
    expect(who.page.locator("[data-act=favourite]")).to_have_attribute("aria-pressed", "true")
    who.page.keyboard.press("Escape")
    who.page.wait_for_url("**/library?q=lamp")
    expect(tile.locator("[data-act=favourite]")).to_have_attribute("aria-pressed", "true")
    link = who.go("/library").locator("#wall li.tile > a").first.get_attribute("href")
    who.go("/settings")
    who.go(link)
    who.page.get_by_role("link", name="Back to the library").click()
    who.page.wait_for_url("**/library")


def test_focus_stays_near_when_its_place_goes(desk):
    who = desk(credits=50)
    card = who.generate("A slow lamp [fake: latency=30]")
    cancel = card.get_by_role("button", name="Cancel")
    cancel.focus()
    who.page.keyboard.press("Enter")
    who.ended(card)
    expect(card).to_be_focused()
    choose = who.page.locator(".composer .drop:not(.over) button")
    choose.focus()
    who.page.keyboard.press("Enter")
    who.page.get_by_role("button", name="Choose from library").focus()
    who.page.keyboard.press("Enter")
    expect(who.page.get_by_role("dialog", name="Choose from library")).to_be_visible()
    who.page.keyboard.press("Escape")
    expect(choose).to_be_focused()


def test_a_refused_form_begins_at_what_is_wrong(desk):
    who = desk(come_in=False)
    page = who.go("/accounts/login/")
    page.get_by_label("Email").fill("nobody@example.com")
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.locator("main [role=alert]")).to_be_focused()
