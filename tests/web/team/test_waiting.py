"""The badge that says how many requests wait: whose it is, what it says, what it costs; and where a mail leads."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gesso.accounts import teams
from gesso.generations import approvals, submission
from gesso.web import frame
from tests import world
from tests.accounts import crew
from tests.web.team.test_team import at, browser, text

pytestmark = pytest.mark.django_db
PLACES = ("/studio", "/library", "/credits", "/team", "/team/approvals", "/settings", "/accounts/email/")


@pytest.fixture
def us() -> crew.Crew:
    made = crew.gather(credits=200)
    teams.ask_above(made.membership("owner"), 10)
    return made


def ask(us: crew.Crew, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(submission.NeedsApproval) as refused:
            submission.submit(us.fresh(), us.user("member"), [world.wanted(quality="high")])
        approvals.ask(us.fresh(), us.user("member"), refused.value)


def badges(page: str) -> int:
    return page.count('class="badge"')


@pytest.mark.parametrize("role", crew.ROLES)
@pytest.mark.parametrize("place", PLACES)
def test_owners_and_admins_see_on_every_page_how_many_wait(us, role, place):
    ask(us, 2)
    page = text(at(us, role).get(place))
    assert page.count('href="/team"') >= 2  # in the rail and in the tabs
    if role in {"owner", "admin"}:
        assert page.count('<span class="badge" aria-hidden="true">2</span><span class="vh"> 2 wait for approval') >= 2
    else:
        assert badges(page) == 0 and "for approval" not in page


def test_the_figure_goes_down_with_each_decision_until_it_is_gone(us):
    ask(us, 2)
    admin = at(us, "admin")
    for words in ("2 wait for approval", "1 waits for approval"):
        assert f'{words}. <a href="/team/approvals">' in text(admin.get("/team"))
        row = approvals.seen_by(us.membership("admin")).filter(state="pending").first()
        admin.post(f"/team/approvals/{row.id}/decline", {"reason": ""})
    assert badges(text(admin.get("/team"))) == 0


def test_many_fit(us, monkeypatch):
    monkeypatch.setattr(frame, "SEEN_MOST", 2)
    ask(us, 3)
    assert '>2+</span><span class="vh"> 3 wait for approval</span>' in text(at(us, "owner").get("/studio"))


def test_another_team_and_ones_own_workspace_have_no_badge(us):
    ask(us)
    elsewhere = teams.create(us.user("owner"), "Elsewhere").workspace
    assert badges(text(browser(us.user("owner"), elsewhere).get("/studio"))) == 0
    own = text(browser(us.user("owner")).get("/studio"))
    assert badges(own) == 0 and 'href="/team"' not in own


@pytest.mark.parametrize(("role", "asked"), [("owner", 1), ("admin", 1), ("member", 0), ("viewer", 0), ("alone", 0)])
def test_only_who_decides_is_counted_for(us, role, asked):
    ask(us)
    client = at(us, role) if role != "alone" else browser(us.user("owner"))
    client.get("/library")
    with CaptureQueriesContext(connection) as seen:
        client.get("/library")
    assert sum("approvalrequest" in each["sql"] for each in seen) == asked


def test_a_mails_link_leads_to_the_right_team_wherever_its_reader_is(us):
    ask(us)
    address = f"/team/{us.workspace.id}/approvals"
    admin = browser(us.user("admin"))
    assert admin.get("/team/approvals").status_code == 404  # in one's own workspace
    page = admin.get(address, follow=True)
    assert page.redirect_chain == [("/team/approvals", 302)]
    assert "Approve · 16 credits" in text(page)
    assert Client().get(address)["Location"] == f"/accounts/login/?next={address}"


def test_a_link_of_a_team_one_is_not_in_is_not_there(us):
    person = world.person()
    for client, workspace in (
        (browser(person.user), us.workspace),
        (browser(person.user), person.workspace),
        (at(us, "owner"), crew.gather().workspace),
    ):
        client.get("/studio")
        before = dict(client.session)
        assert client.get(f"/team/{workspace.id}/approvals").status_code == 404
        assert dict(client.session) == before
