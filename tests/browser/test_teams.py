"""A team in a real browser: made, joined, its wallet shared, an allowance reached, a request approved, handed over."""

import re

import pytest
from playwright.sync_api import expect

from tests import instance
from tests.browser import looks

pytestmark = pytest.mark.browser
TEAM = "Studio Nord"


@pytest.fixture(scope="module")
def site(places):
    """An install with no key and no gateway: the sandbox draws, and the test checkout sells."""
    with instance.running(places()) as running:
        yield running


def clean(who, path: str = "") -> None:
    """See that a page, or the one that is open, is fit for everybody."""
    if path:
        who.go(path)
    assert looks.wrong(who.page) == [], path or who.page.url


def save(who, label: str, value: str, button: str) -> None:
    who.page.get_by_label(label).fill(value)
    who.page.get_by_role("button", name=button).click()
    expect(who.page.get_by_text("was saved.")).to_be_visible()


def open_member(who, email: str) -> None:
    who.go("/team")
    who.page.get_by_role("link", name=f"Change {email}").click()


def make_team(owner) -> None:
    owner.page.locator(".account").click()
    owner.page.get_by_role("link", name="Make a team").click()
    clean(owner)
    owner.page.get_by_label("Name of the team").fill(TEAM)
    owner.page.get_by_role("button", name="Make a team").click()
    expect(owner.page.get_by_role("heading", name=TEAM)).to_be_visible()
    owner.go("/credits/buy")
    owner.page.get_by_role("button", name="Buy 200 credits for $8").click()
    owner.page.get_by_role("button", name="Pay $8 in the test").click()
    owner.page.wait_for_url("**/credits/orders/*")
    owner.has_credits(200)


def bring_in(owner, member) -> None:
    """Invite a person by email; they look at the link and join."""
    owner.go("/team")
    owner.page.get_by_label("Email").fill(member.email)
    owner.page.get_by_role("button", name="Invite").click()
    link = owner.page.locator(".secret").inner_text()
    clean(owner)
    member.page.goto(link)
    clean(member)
    member.page.get_by_role("button", name="Join the team").click()
    expect(member.page.get_by_text(f"You are in {TEAM} now.")).to_be_visible()


def test_a_team_from_its_making_to_its_handing_over(desk):
    owner, member = desk(), desk()
    make_team(owner)
    bring_in(owner, member)

    member.go("/studio")
    member.has_credits(200)
    member.delivered(member.generate("Pears for everybody", quality="medium"), 1)
    member.has_credits(196)
    owner.go("/studio")
    expect(owner.card("Pears for everybody")).to_be_visible()

    open_member(owner, member.email)
    clean(owner)
    save(owner, "Allowance", "5", "Save the allowance")
    member.expect_status(403)
    member.write("One pear too many")
    member.choose(quality="medium")
    member.press_generate()
    expect(member.page.locator("#refusal")).to_contain_text("Your allowance has 1 of 5 left this month.")
    clean(member)
    member.has_credits(196)

    open_member(owner, member.email)
    save(owner, "Allowance", "100", "Save the allowance")
    owner.go("/team")
    save(owner, "Approval above", "10", "Save the limit")
    ask_and_approve(owner, member)
    hand_over(owner, member)


def ask_and_approve(owner, member) -> None:
    """Ask for what is above the limit; it is made when the owner approves it."""
    member.go("/studio")
    member.write("A very dear pear")
    member.choose(quality="high")
    member.press_generate()
    expect(member.page.locator("#refusal")).to_contain_text("so it waits for an admin of the team. Nothing is held.")
    member.has_credits(196)
    clean(member)
    member.page.get_by_role("link", name="See approvals").click()
    expect(member.page.get_by_role("article", name="A very dear pear")).to_contain_text("Waiting")
    clean(owner, "/library")
    owner.page.get_by_role("link", name="Team 1 waits for approval").click()
    clean(owner)
    owner.page.get_by_role("link", name="Look and decide").click()
    clean(owner)
    owner.page.get_by_role("button", name="Approve · 16 credits").click()
    expect(owner.page.get_by_text("Approved. It is being made.")).to_be_visible()
    expect(owner.page.locator(".badge")).to_have_count(0)
    clean(owner)
    member.go("/studio")
    member.delivered(member.card("A very dear pear"), 1)
    member.has_credits(180)
    clean(member, "/credits")
    expect(member.page.get_by_text("You spent 20 of your allowance of 100 credits this month.")).to_be_visible()


def hand_over(owner, member) -> None:
    """Hand the team over; the old owner leaves it and stands in their own workspace again."""
    open_member(owner, member.email)
    owner.page.get_by_label(re.compile("^Type the name of the team")).fill(TEAM)
    owner.page.get_by_role("button", name="Make them the owner").click()
    expect(owner.page.get_by_text(f"{member.email} owns the team now. You are an admin.")).to_be_visible()
    member.go("/team")
    expect(member.page.get_by_text("You own this team.")).to_be_visible()
    owner.page.get_by_role("button", name="Leave the team").click()
    expect(owner.page.get_by_text(f"You left {TEAM}.")).to_be_visible()
    owner.page.locator(".account").click()
    expect(owner.page.get_by_role("button", name=TEAM)).to_have_count(0)


def test_one_goes_from_workspace_to_workspace(desk):
    who = desk()
    for name in ("First team", "Second team"):
        who.go("/team/new")
        who.page.get_by_label("Name of the team").fill(name)
        who.page.get_by_role("button", name="Make a team").click()
        expect(who.page.get_by_role("heading", name=name)).to_be_visible()
    who.go("/library")
    who.page.locator(".account").click()
    clean(who)
    who.page.get_by_role("button", name="First team").click()
    who.page.wait_for_url("**/library")
    expect(who.page.locator(".rail .workspace")).to_have_text("First team")
    who.page.locator(".account").click()
    who.page.locator("#account").get_by_role("button", name=who.email.partition("@")[0]).click()
    who.page.wait_for_url("**/library")
    stale = who.go("/studio", who.tab())  # drawn in one's own workspace
    who.write("A pear for nobody", stale)
    who.choose(page=stale)
    who.page.locator(".account").click()
    who.page.get_by_role("button", name="Second team").click()
    who.page.wait_for_url("**/library")
    who.expect_status(409)
    who.press_generate(stale)
    expect(stale.locator("#refusal")).to_contain_text("You went to Second team meanwhile.")
