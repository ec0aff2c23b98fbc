"""The staff console in a real browser: everything it draws obeys our policy, and credits are granted by clicking."""

import re
import urllib.parse

import pytest
from playwright.sync_api import sync_playwright

from tests import chromium, instance

pytestmark = pytest.mark.browser

LISTS = ["accounts/user", "accounts/workspace", "generations/generation", "credits/creditgrant", "images/image"]
WATCH = "document.addEventListener('securitypolicyviolation', e => console.error('refused ' + e.violatedDirective))"


@pytest.fixture(scope="module")
def studio(places):
    """A running install."""
    with instance.running(places()) as running:
        yield running


@pytest.fixture
def page(studio):
    """A page of a browser in which nobody is signed in; what the browser complains of fails the test."""
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=chromium.arguments())
        opened = browser.new_page(base_url=studio.url)
        opened.add_init_script(WATCH)
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        browser.close()
    assert complaints == []


def sign_in(page, studio, email: str, *options: str) -> None:
    link = studio.run("user", "add", email, *options).stdout.strip()
    page.goto(urllib.parse.urlsplit(link).path)
    page.locator("main button, form button").first.click()
    page.wait_for_url(re.compile("/studio"))


def test_staff_look_around_and_grant_credits(page, studio):
    studio.run("user", "add", "ada@example.org")
    sign_in(page, studio, "boss@example.org", "--staff")
    page.goto("/staff/")
    for kind in LISTS:
        page.goto(f"/staff/{kind}/")
        assert page.locator("#changelist").is_visible()
        if page.locator("#result_list tbody th a").count():
            page.locator("#result_list tbody th a").first.click()
            page.wait_for_url(re.compile("/change/"))
    page.goto("/staff/accounts/workspace/")
    page.locator("#searchbar").fill("ada@example")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("[?&]q=ada"))
    page.get_by_role("link", name="ada", exact=True).click()
    page.get_by_role("link", name="Grant credits").click()
    page.get_by_label("Credits").fill("75")
    page.get_by_label("Reason").fill("Welcome")
    page.get_by_role("button", name="Grant credits").click()
    assert "75 credits granted." in page.locator(".messagelist").inner_text()
    page.get_by_role("link", name="Entries", exact=True).click()
    page.locator("#result_list tbody tr").first.wait_for()
    page.get_by_role("link", name="Back to the studio").click()
    page.wait_for_url(re.compile("/studio"))
