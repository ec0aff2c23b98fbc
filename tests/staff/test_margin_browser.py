"""The margin page in a real browser: nothing is wrong with its looks, and the simulator answers without JavaScript."""

import re
import urllib.parse

import pytest
from playwright.sync_api import sync_playwright

from tests import chromium, instance
from tests.browser import looks

pytestmark = pytest.mark.browser


def test_staff_try_other_prices(places):
    with instance.running(places()) as studio, sync_playwright() as playwright:
        link = studio.run("user", "add", "boss@example.org", "--staff").stdout.strip()
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=chromium.arguments())
        page = browser.new_page(base_url=studio.url)
        page.goto(urllib.parse.urlsplit(link).path)
        page.locator("main button, form button").first.click()
        page.wait_for_url(re.compile("/studio"))
        page.goto("/staff/")
        assert looks.wrong(page) == []
        page.get_by_role("link", name="Margin", exact=True).click()
        assert looks.wrong(page) == []
        signed_in = page.context.storage_state()
        plain = browser.new_page(base_url=studio.url, java_script_enabled=False, storage_state=signed_in)
        plain.goto("/staff/margin/")
        plain.get_by_label("Credits for high").fill("1")
        plain.get_by_label("Worth of a credit").fill("0.1")
        plain.get_by_role("button", name="Work it out").click()
        row = plain.get_by_role("row").filter(has_text="GPT Image 2").filter(has_text="high")
        assert "$0.1000" in row.inner_text()
        assert "$0.2107" in row.inner_text()
        plain.get_by_label("Worth of a credit").fill("dear")
        plain.get_by_role("button", name="Work it out").click()
        assert "Write an amount such as 0.035" in plain.locator("#content-main").inner_text()
        browser.close()
