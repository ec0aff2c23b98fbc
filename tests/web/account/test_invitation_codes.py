"""Making an account with an invitation code: where it is asked for, when its place is taken, counted and given back."""

import dataclasses
import re

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialLogin
from django.core import mail as outbox_
from django.test import Client
from django.urls import reverse

from gesso.accounts import mail, sign_in_links, workspaces
from gesso.accounts.models import User
from gesso.core import catalog
from gesso.credits import invites, promo, queries
from gesso.credits.models import PromoCode, PromoUse
from gesso.web.account import registration
from tests.credits.test_race import at_once
from tests.web.account.test_entering import path_of, signed_in

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough password"
EMAIL = "bob@example.com"


@pytest.fixture(autouse=True)
def mail_at_once(monkeypatch, settings):
    """Send from the request's own thread, into Django's test outbox, as often as a test turns its clock on."""
    monkeypatch.setattr(mail, "send_soon", lambda message: message.send())
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"signup": "100/h/ip", "confirm_email": "100/h/key"}


@pytest.fixture
def rule(settings):
    """Set the registration rule; it is `invite` unless a test says otherwise."""

    def change(registration: str) -> None:
        settings.GESSO = dataclasses.replace(settings.GESSO, registration=registration)

    return change


def welcome(**changed) -> PromoCode:
    return promo.make(**({"kind": "invite", "word": "WELCOME-1", "amount": 20, "uses_most": 1} | changed))


def sign_up(client: Client, email: str = EMAIL, code: str = "welcome 1"):
    return client.post(reverse("account_signup"), {"email": email, "password1": PASSWORD, "code": code})


def prove(client: Client, message: int = -1):
    code = re.search(r"^([A-Z0-9-]{6,})$", outbox_.outbox[message].body, re.MULTILINE)[1]
    return client.post(reverse("account_email_verification_sent"), {"code": code})


def uses() -> tuple[int, list[str]]:
    """Return how often the code counts as used, and the state of each use."""
    return PromoCode.objects.get().uses, list(PromoUse.objects.order_by("id").values_list("state", flat=True))


def test_without_any_code_the_page_says_how_one_comes_in():
    page = Client().get(reverse("account_signup")).content.decode()
    assert "Ask whoever runs this studio for a link" in page
    assert 'name="code"' not in page


def test_the_field_is_there_by_invitation_only_and_the_address_fills_it_in(rule):
    welcome()
    page = Client().get(reverse("account_signup") + '?code=WELCOME-1"><b>').content.decode()
    assert 'name="code"' in page and 'value="WELCOME-1&quot;&gt;&lt;b&gt;"' in page
    rule("open")
    assert 'name="code"' not in Client().get(reverse("account_signup")).content.decode()


def test_a_code_lets_somebody_in_and_its_credits_come_with_the_proved_address():
    welcome()
    client = Client()
    assert sign_up(client)["Location"] == reverse("account_email_verification_sent")
    assert not signed_in(client)
    workspace = User.objects.get().personal_workspace
    assert (uses(), queries.balance(workspace.id).available) == ((1, ["reserved"]), 0)
    prove(client)
    assert signed_in(client)
    assert uses() == (1, ["counted"])
    sources = {line.source: line.available for line in queries.balance(workspace.id).grants}
    assert sources["promo"] == 20
    client.post(reverse("account_logout"))
    client.post(reverse("account_login"), {"login": EMAIL, "password": PASSWORD})
    assert signed_in(client)
    assert uses() == (1, ["counted"])


def test_a_code_without_credits_only_lets_somebody_in():
    welcome(amount=0)
    client = Client()
    sign_up(client)
    prove(client)
    assert signed_in(client)
    assert PromoUse.objects.get().grant is None


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("", "required"), ("WELCOME-2", "There is no such code."), ("x" * 500, "at most 80"), ("' OR 1=1 --", "no such"),
        ("PROMO-1", "entered on the credits page"), ("\u0405ELCOME1", "no such"),
    ],
)  # fmt: skip
def test_a_wrong_code_makes_no_account(code, sentence):
    welcome()
    promo.make(word="PROMO-1", amount=5, uses_most=5)
    answer = sign_up(Client(), code=code)
    assert sentence in answer.content.decode()
    assert not User.objects.exists()


def test_an_ended_or_used_up_code_makes_no_account(time):
    code = welcome(expires_at=time.ahead(hours=1))
    sign_up(Client())
    assert "used as often as it may be" in sign_up(Client(), "eve@example.com").content.decode()
    time.later(hours=1)
    assert "has ended" in sign_up(Client(), "eve@example.com").content.decode()
    promo.end(code.pk)
    assert "has ended" in sign_up(Client(), "eve@example.com").content.decode()
    assert User.objects.count() == 1


def test_guessing_codes_ends():
    welcome()
    client = Client()
    for number in range(5):
        assert "no such code" in sign_up(client, code=f"WELCOME-{number + 2}").content.decode()
    assert "Too many wrong codes" in sign_up(client).content.decode()
    assert not User.objects.exists()


def test_a_bad_password_tries_no_code():
    welcome()
    form = {"email": EMAIL, "password1": "short", "code": "WELCOME-2"}
    page = Client().post(reverse("account_signup"), form).content.decode()
    assert "no such code" not in page


def test_somebody_with_an_account_uses_no_place_and_reads_the_same():
    welcome(uses_most=5)
    workspaces.verify_email(User.objects.create_user(EMAIL))
    answer = sign_up(Client())
    assert answer["Location"] == reverse("account_email_verification_sent")
    assert uses() == (0, [])


def test_closed_is_closed_also_for_somebody_on_the_way_in(rule):
    welcome(uses_most=5)
    client = Client()
    sign_up(client)
    rule("closed")
    assert "by invitation" in sign_up(Client(), "eve@example.com").content.decode()
    assert User.objects.count() == 1
    again = Client().post(reverse("account_login"), {"login": EMAIL, "password": PASSWORD})
    assert again.status_code == 403
    assert "Your invitation is gone" in again.content.decode()


def test_a_place_nobody_proved_goes_to_the_next_after_a_day(time):
    welcome()
    sign_up(Client())
    time.later(hours=23, minutes=59)
    assert "as often" in sign_up(Client(), "eve@example.com").content.decode()
    time.later(minutes=1)
    eve = Client()
    sign_up(eve, "eve@example.com")
    assert uses() == (1, ["given-back", "reserved"])
    late = Client().post(reverse("account_login"), {"login": EMAIL, "password": PASSWORD})
    assert late.status_code == 403
    prove(eve)
    assert uses() == (1, ["given-back", "counted"])
    assert queries.balance(User.objects.get(email=EMAIL).personal_workspace.id).available == 0


def test_whoever_comes_late_takes_a_free_place_again(time):
    welcome(uses_most=2)
    sign_up(Client())
    time.later(days=2)
    sign_up(Client(), "eve@example.com")
    assert uses() == (1, ["given-back", "reserved"])
    late = Client()
    late.post(reverse("account_login"), {"login": EMAIL, "password": PASSWORD})
    assert uses() == (2, ["reserved", "reserved"])
    prove(late)
    assert signed_in(late)
    assert uses() == (2, ["counted", "reserved"])


def test_a_staff_link_lets_its_person_in_whatever_became_of_the_code(time):
    welcome()
    sign_up(Client())
    time.later(days=1)
    sign_up(Client(), "eve@example.com")
    client = Client()
    client.post(path_of(sign_in_links.create(User.objects.get(email=EMAIL))))
    assert signed_in(client)
    assert uses() == (1, ["given-back", "reserved"])


def test_other_ways_to_sign_up_ask_no_code_and_are_shut(rf, rule):
    welcome()
    proved = EmailAddress(email=EMAIL, verified=True, primary=True)
    login = SocialLogin(user=User(email=EMAIL), email_addresses=[proved])
    adapter, request = registration.SocialAdapter(), rf.get("/")
    request.session = {}  # no invitation to a team
    assert not adapter.is_open_for_signup(request, login)
    rule("open")
    assert adapter.is_open_for_signup(request, login)


def test_blocked_domains_make_no_account(rule, monkeypatch, rf):
    rules = catalog.current()
    free = rules.free.model_copy(update={"blocked_domains": ("mailinator.com",)})
    monkeypatch.setattr(catalog, "current", lambda: rules.model_copy(update={"free": free}))
    rule("open")
    for email in ("eve@mailinator.com", "eve@MX.Mailinator.com"):
        page = sign_up(Client(), email).content.decode()
        assert "this mail provider can&#x27;t be used here" in page
        login = type("SocialLogin", (), {"user": User(email=email)})()
        assert not registration.SocialAdapter().is_open_for_signup(rf.get("/"), login)
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_last_place_is_taken_once():
    code = welcome(uses_most=3)
    people = [User.objects.create_user(f"p{number}@example.com") for number in range(12)]

    def reserve(user):
        try:
            invites.reserve(code, user)
        except invites.codes.CodeRefused as refused:
            return refused.code
        return "in"

    answers = at_once(*[lambda user=user: reserve(user) for user in people])
    assert sorted(answers) == ["code_used_up"] * 9 + ["in"] * 3
    assert uses() == (3, ["reserved"] * 3)


@pytest.mark.django_db(transaction=True)
def test_the_last_place_gone_in_the_same_moment_makes_no_account(monkeypatch):
    code = welcome()
    find = invites.find

    def find_too_late(text):
        found = find(text)
        invites.reserve(code, User.objects.create_user("eve@example.com"))
        return found

    monkeypatch.setattr(invites, "find", find_too_late)
    client = Client()
    assert sign_up(client)["Location"] == reverse("account_signup")
    assert "used as often as it may be" in client.get(reverse("account_signup")).content.decode()
    assert list(User.objects.values_list("email", flat=True)) == ["eve@example.com"]


def test_a_day_is_a_day_whatever_the_timezone(time, settings):
    settings.TIME_ZONE = "Pacific/Auckland"
    welcome()
    sign_up(Client())
    assert PromoUse.objects.get().at == time.moment
    time.later(hours=24, seconds=-1)
    with pytest.raises(invites.codes.CodeRefused):
        invites.find("WELCOME-1")
    time.later(seconds=1)
    assert invites.find("WELCOME-1").uses == 1  # as it was found; its place is given back by then
    assert uses() == (0, ["given-back"])
