"""The account's own pages: settings that are kept, keys that are shown once, people who are invited, a second factor."""

import base64
import hashlib
import hmac
import re
import struct
import time

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser import looks
from tests.browser.conftest import invite
from tests.browser.desk import PASSWORD

pytestmark = pytest.mark.browser


def test_a_key_is_made_shown_once_used_and_revoked(desk, site):
    who = desk(credits=10)
    who.go("/settings/keys")
    who.page.get_by_label("Name").fill("Shop importer")
    who.page.get_by_role("button", name="Make a key").click()
    secret = who.page.locator(".secret").inner_text()
    assert re.fullmatch(r"gsk_[\w-]{43}", secret)
    assert looks.wrong(who.page) == []
    assert _credits(site, secret).status_code == 200
    who.go("/settings/keys")
    expect(who.page.locator(".secret")).to_have_count(0)
    who.page.get_by_role("button", name="Revoke Shop importer").click()
    expect(who.page.get_by_text("There are no keys yet")).to_be_visible()
    assert _credits(site, secret).status_code == 401


def _credits(site, secret: str) -> httpx2.Response:
    return httpx2.get(f"{site.url}/api/credits", headers={"Authorization": f"Bearer {secret}"}, trust_env=False)


def test_a_name_is_kept(desk):
    who = desk()
    who.go("/settings")
    who.page.get_by_label("Name").fill("Mara Lindqvist")
    who.page.get_by_role("button", name="Save").click()
    expect(who.page.locator(".account")).to_contain_text("Mara Lindqvist")


def test_staff_invite_somebody_who_comes_in(desk, site):
    added = site.run("user", "add", "staff@example.com", "--staff")
    staff = desk("staff@example.com", come_in=False)
    staff.come_in(added.stdout.strip())
    staff.go("/settings/people")
    staff.page.get_by_label("Email").fill("newcomer@example.com")
    staff.page.get_by_role("button", name="Invite").click()
    link = staff.page.locator(".secret").inner_text()
    assert looks.wrong(staff.page) == []
    newcomer = desk("newcomer@example.com", come_in=False)
    newcomer.come_in(link)
    expect(newcomer.page.get_by_role("textbox", name="Prompt")).to_be_visible()
    other = desk(come_in=False)
    other.expect_status(410)
    other.page.goto(link)
    expect(other.page.get_by_role("heading", name="This link no longer works")).to_be_visible()


def test_a_password_and_an_authenticator_app_guard_the_door(desk):
    who = desk()
    who.go("/accounts/password/change/")  # nobody who came by a link has one yet
    for field in who.page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    who.page.get_by_role("button", name="Set password").click()
    who.page.wait_for_load_state()
    who.go("/accounts/2fa/totp/activate/")
    if "/reauthenticate/" in who.page.url:
        who.page.get_by_label("Password").fill(PASSWORD)
        who.page.get_by_role("button", name="Confirm").click()
    secret = who.page.locator("code").inner_text()
    who.page.get_by_label("Authenticator code").fill(_code(secret))
    who.page.get_by_role("button", name="Turn on").click()
    who.page.wait_for_url("**/accounts/2fa/**")
    who.go("/accounts/2fa/")
    expect(who.page.get_by_text("Authentication using an authenticator app is active.")).to_be_visible()
    assert looks.wrong(who.page) == []

    again = desk(who.email, come_in=False)
    again.go("/studio")
    again.page.get_by_label("Email").fill(who.email)
    again.page.get_by_label("Password").fill(PASSWORD)
    again.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(again.page.get_by_role("heading", name="Two-factor authentication")).to_be_visible()
    assert looks.wrong(again.page) == []


def _code(secret: str) -> str:
    """Return the six digits that an authenticator app shows now (RFC 6238)."""
    if (left := 30 - time.time() % 30) < 10:  # it shall still be good when it arrives
        time.sleep(left)
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


def test_a_passkey_opens_the_door(desk, site):
    who = desk(come_in=False)
    devices = who.context.new_cdp_session(who.page)
    devices.send("WebAuthn.enable")
    device = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": device})
    named = site.url.replace("127.0.0.1", "localhost")
    who.come_in(invite(site, who.email).replace("127.0.0.1", "localhost"))
    who.page.goto(f"{named}/accounts/2fa/webauthn/add/")
    assert looks.wrong(who.page) == []
    who.page.get_by_label("Name").fill("This machine")
    who.page.get_by_role("checkbox").check()
    who.page.get_by_role("button", name="Add").click()
    who.page.wait_for_url("**/accounts/2fa/reauthenticate/**")  # the recovery codes are shown to its holder alone
    assert looks.wrong(who.page) == []
    who.page.goto(f"{named}/accounts/2fa/")
    expect(who.page.get_by_text("You have added 1 security key.")).to_be_visible()
    who.context.clear_cookies()
    who.page.goto(f"{named}/studio")
    who.page.get_by_role("button", name="Continue with a passkey").click()
    expect(who.page.get_by_role("textbox", name="Prompt")).to_be_visible()


def test_where_passkeys_cannot_work_the_button_says_so(desk):
    who = desk(come_in=False)
    who.go("/accounts/login/")  # a bare address, for which browsers keep no passkeys
    who.page.get_by_role("button", name="Continue with a passkey").click()
    expect(who.page.get_by_role("alert")).to_contain_text("Passkeys work on https with a domain, or on localhost")


def test_signing_out_closes_the_studio(desk):
    who = desk()
    who.go("/studio")
    who.page.locator(".account").click()
    who.page.get_by_role("button", name="Sign out").click()
    who.page.wait_for_url(who.site.url + "/")
    who.go("/studio")
    expect(who.page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("path", ["/accounts/login/code/", "/accounts/password/reset/"])
def test_a_code_by_mail_is_asked_for(desk, path):
    who = desk(come_in=False)
    who.go(path)
    who.page.get_by_label("Email").fill("somebody@example.com")
    who.page.locator("main form button.primary").click()
    expect(who.page.get_by_label("Code")).to_be_visible()
    assert looks.wrong(who.page) == []
