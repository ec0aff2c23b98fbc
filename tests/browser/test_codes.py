"""Codes in a real browser: staff make them, one is redeemed, another makes an account; pages look right to everybody."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.browser import looks

pytestmark = pytest.mark.browser

MAKE = "/staff/credits/promocode/make/"


def make(staff, kind: str, word: str) -> None:
    page = staff.go(MAKE)
    page.get_by_label("Kind").select_option(kind)
    page.get_by_label("Code:").fill(word)
    page.get_by_label("Credits:").fill("25")
    page.get_by_label("Uses:").fill("3")
    page.get_by_label("Reason:").fill("A browser test")
    page.get_by_role("button", name="Make the code").click()
    expect(page.get_by_text(f"The code {word} was made.")).to_be_visible()


@pytest.fixture
def words(site, desk):
    """A promo code and an invitation code that staff have just made."""
    staff = desk(come_in=False)
    staff.come_in(site.run("user", "add", staff.email, "--staff").stdout.strip())
    made = [f"{kind}-{uuid.uuid4().hex[:8]}".upper() for kind in ("promo", "invite")]
    for kind, word in zip(("promo", "invite"), made, strict=True):
        make(staff, kind, word)
    return made


def test_a_code_is_redeemed_and_another_makes_an_account(desk, words):
    promo, invite = words
    ada = desk()
    ada.has_credits(4)
    page = ada.go("/credits")
    page.get_by_role("link", name="Redeem a code").click()
    assert looks.wrong(page) == []
    ada.expect_status(422)
    page.get_by_label("Code").fill("NO-SUCH-CODE")
    page.get_by_role("button", name="Add credits").click()
    expect(page.get_by_label("Code")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("There is no such code.")).to_be_visible()
    assert looks.wrong(page) == []
    page.get_by_label("Code").fill(f" {promo.lower().replace('-', ' ')} ")
    page.get_by_role("button", name="Add credits").click()
    expect(page.get_by_text("25 credits added.")).to_be_visible()
    ada.has_credits(29)
    assert looks.wrong(page) == []

    eve = desk(come_in=False)
    page = eve.go(f"/accounts/signup/?code={invite}")
    expect(page.get_by_label("Invitation code")).to_have_value(invite)
    assert looks.wrong(page) == []
    page.get_by_label("Email").fill(eve.email)
    page.get_by_label("Password").fill("a long enough password")
    page.get_by_role("button", name="Make an account").click()
    page.wait_for_url(re.compile("/accounts/confirm-email/"))
