"""One Chromium, one fake provider and one running Gesso for all browser tests of a process; people of their own for each.

They live as long as the package and no longer: Playwright's loop would be in the way of other tests of the process.
"""

import uuid

import pytest
from playwright.sync_api import expect, sync_playwright

from tests import chromium as machine
from tests import instance
from tests.browser.desk import PATIENCE, Desk
from tests.fakes import provider

DAILY = 4  # credits that everybody has each day


@pytest.fixture(scope="package")
def chromium():
    path = machine.executable()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=machine.arguments())
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def fake():
    with provider.running() as running:
        yield running


@pytest.fixture(scope="package")
def site(fake, places):
    with instance.running(places(), OPENAI_API_KEY="sk-fake", OPENAI_BASE_URL=fake.url) as running:
        yield running


@pytest.fixture
def desk(site, chromium):
    """Sit somebody down at a browser of their own. At the end no page may have complained."""
    desks = []

    def sit(email: str = "", *, credits: int = 0, come_in: bool = True, **browser) -> Desk:  # noqa: A002 (the word for it)
        browser.setdefault("viewport", {"width": 1440, "height": 900})
        made = Desk(site, chromium.new_context(**browser), email or f"{uuid.uuid4().hex[:12]}@example.com")
        desks.append(made)
        if come_in:
            made.come_in(invite(site, made.email, credits))
        return made

    yield sit
    complaints = [said for each in desks for said in each.leave()]
    assert not complaints, "\n".join(complaints)


def invite(site: instance.Instance, email: str, credits: int = 0) -> str:  # noqa: A002 (the word for it)
    """Return the sign-in link of a new person with so many credits beside the daily ones."""
    added = site.run("user", "add", email)
    assert added.returncode == 0, added.stderr
    if credits:
        granted = site.run("grant", email, str(credits), "--reason", "a browser test")
        assert granted.returncode == 0, granted.stderr
    return added.stdout.strip()


def key_of(site: instance.Instance, email: str) -> str:
    """Return a new API key of that person."""
    made = site.run("key", "create", email)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()
