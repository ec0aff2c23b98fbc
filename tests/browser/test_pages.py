"""Every page: clean to axe in light and dark, wide and narrow, no sideways scroll, no complaint in the console."""

import time

import httpx2
import pytest
from playwright.sync_api import expect

from tests import instance
from tests.browser import looks
from tests.browser.conftest import invite, key_of
from tests.browser.desk import PASSWORD, Desk

pytestmark = pytest.mark.browser

LONG = "A harbour in the morning with boats, ropes and gulls. " * 37
PUBLIC = (
    "/", "/pricing", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/login/code/",
)  # fmt: skip
SIGNED_IN = (
    "/studio", "/library", "/library?q=nothing+like+it", "/trash", "/credits", "/credits/buy", "/settings", "/settings/keys",
    "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/2fa/webauthn/",
    "/accounts/sessions/", "/accounts/logout/", "/accounts/2fa/totp/activate/",
)  # fmt: skip


@pytest.fixture(scope="package")
def showroom(site, chromium):
    """Somebody who has a generation in every state; keeps their browser's storage for those who look."""
    email = "showroom@example.com"
    visitor = Desk(site, chromium.new_context(), email)
    visitor.come_in(invite(site, email, credits=500))
    with httpx2.Client(
        base_url=site.url, headers={"Authorization": f"Bearer {key_of(site, email)}"}, timeout=60, trust_env=False
    ) as api:
        made = {name: api.post("/api/generations", json=body).json()["id"] for name, body in _wanted(api).items()}
        in_hand = {"running", "waiting"}
        instance.until(lambda: _ended(api, [made[name] for name in made.keys() - in_hand - {"canceled"}]), 60)
        instance.until(lambda: _state(api, made["canceled"]) == "running", 60)
        api.post(f"/api/generations/{made['canceled']}/cancel").raise_for_status()
        made |= _keep_busy(api)
        done = api.get(f"/api/generations/{made['done']}").json()
        made["image"] = done["outputs"][0]["image"]["id"]
        state = visitor.context.storage_state()
        visitor.leave()
        yield state, made
        for number in _numbers(api, "running", "queued"):  # an instance waits a while for what it has in hand
            api.post(f"/api/generations/{number}/cancel").raise_for_status()


def _wanted(api) -> dict[str, dict]:
    reference = api.post("/api/images", files={"file": ("vase.png", _png())}).json()["id"]
    plain = {"quality": "low", "aspect_ratio": "1:1", "references": [{"image_id": reference, "role": "style"}]}
    return {
        "done": {**plain, "prompt": "Four studies of a jug", "count": 4},
        "long": {**plain, "prompt": LONG, "count": 1, "aspect_ratio": "21:9"},
        "word": {**plain, "prompt": "W" * 300, "count": 2, "aspect_ratio": "9:16"},
        "partial": {**plain, "prompt": "Three of four [fake: fail-outputs=1]", "count": 4},
        "failed": {**plain, "prompt": "Not to be made [fake: user-error]", "count": 1},
        "blocked": {**plain, "prompt": "A quarrel [fake: moderation]", "count": 1},
        "withheld": {**plain, "prompt": "Made, but not shown [fake: flag-output=sexual]", "count": 2},
        "canceled": {**plain, "prompt": "Stopped [fake: latency=100]", "count": 4},
    }


def _keep_busy(api) -> dict[str, str]:
    """Fill every place of the workspace, so that the last one waits."""
    slow = [{"prompt": f"Slow work {n} [fake: latency=900]", "quality": "low", "count": 1} for n in range(6)]
    numbers = [api.post("/api/generations", json=body).json()["id"] for body in slow]
    instance.until(lambda: _state(api, numbers[0]) == "running", 60)
    return {"running": numbers[0], "waiting": numbers[-1]}


def _png() -> bytes:
    from tests import world

    return world.picture(200, 260)


def _numbers(api, *states: str) -> list[str]:
    return [
        row["id"]
        for state in states
        for row in api.get("/api/generations", params={"state": state}).json()["generations"]
    ]


def _state(api, number: str) -> str:
    return api.get(f"/api/generations/{number}").json()["state"]


def _ended(api, numbers) -> bool:
    time.sleep(0.2)
    return all(_state(api, number) in {"succeeded", "failed", "canceled"} for number in numbers)


@pytest.fixture
def visitor(desk, showroom):
    return desk(come_in=False, storage_state=showroom[0])


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page(desk, path):
    passer_by = desk(come_in=False)
    passer_by.go(path)
    assert looks.wrong(passer_by.page) == []


@pytest.mark.parametrize("path", SIGNED_IN)
def test_a_page_of_ones_own(visitor, path):
    visitor.go(path)
    if "/reauthenticate/" in visitor.page.url:
        pytest.fail(f"{path} asked for the password of somebody who has just signed in")
    assert looks.wrong(visitor.page) == []


def test_the_studio_shows_every_state(visitor):
    visitor.go("/studio")
    shown = visitor.page.locator("#feed > article")
    states = set(shown.evaluate_all("cards => cards.map(card => card.dataset.state)"))
    assert states == {"done", "partial", "failed", "blocked", "cancelled", "running", "queued"}
    expect(shown.filter(has_text="so it is not shown")).to_have_count(1)


@pytest.mark.parametrize("state", ["done", "long", "word", "partial", "failed", "blocked", "canceled", "running"])
def test_a_generations_own_page(visitor, showroom, state):
    visitor.go(f"/generations/{showroom[1][state]}")
    assert looks.wrong(visitor.page) == []


def test_the_viewer(visitor, showroom):
    visitor.go(f"/images/{showroom[1]['image']}")
    assert looks.wrong(visitor.page) == []


def test_an_empty_studio_and_library(desk):
    who = desk()
    for path in ("/studio", "/library", "/credits"):
        who.go(path)
        assert looks.wrong(who.page) == [], path


def test_the_open_composer_of_a_phone(visitor):
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.go("/studio")
    visitor.page.locator("[data-sheet]").click()
    expect(visitor.page.locator("legend", has_text="Quality")).to_be_visible()
    visitor.page.get_by_role("button", name="Close settings").click()
    expect(visitor.page.locator("legend", has_text="Quality")).to_be_hidden()


def test_the_page_of_a_wrong_address(visitor):
    visitor.expect_status(404)
    visitor.go("/nothing/of/this/name")
    assert looks.wrong(visitor.page) == []


def test_the_page_of_a_used_link(desk):
    passer_by = desk(come_in=False)
    passer_by.expect_status(410)
    passer_by.go("/owner/used-long-ago")
    assert looks.wrong(passer_by.page) == []


def test_the_page_behind_a_sign_in_link(desk, site):
    newcomer = desk(come_in=False)
    newcomer.page.goto(invite(site, newcomer.email))
    assert looks.wrong(newcomer.page) == []


def test_a_wrong_password_is_said_beside_the_form(desk):
    passer_by = desk(come_in=False)
    passer_by.go("/accounts/login/")
    passer_by.page.get_by_label("Email").fill("nobody@example.com")
    passer_by.page.get_by_label("Password").fill(PASSWORD)
    passer_by.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(passer_by.page.get_by_role("alert")).to_be_visible()
    assert looks.wrong(passer_by.page) == []


def test_a_choice_of_dark_is_kept(desk):
    who = desk()
    who.go("/studio")
    who.page.locator(".account").click()
    for name, theme in (("Dark", "dark"), ("Light", "light")):
        with who.page.expect_response("**/theme"):  # each answer is awaited: the second press must not meet the first's
            who.page.get_by_role("button", name=name).click()
        expect(who.page.locator("html")).to_have_attribute("data-theme", theme)
    who.go("/library")
    expect(who.page.locator("html")).to_have_attribute("data-theme", "light")
