"""Coming in through every door: the owner link, a one-time link, a password, a code by mail, a second factor."""

import re

import pytest
from django.core import mail as outbox_
from django.test import Client
from django.urls import reverse

from gesso.accounts import mail, sign_in_links
from gesso.accounts.models import User
from gesso.core import catalog
from gesso.credits import queries
from tests import world

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def mail_at_once(monkeypatch):
    """Send from the request's own thread, into Django's test outbox."""
    monkeypatch.setattr(mail, "send_soon", lambda message: message.send())


@pytest.fixture
def open_registration(settings):
    settings.GESSO = settings.GESSO.__class__(
        **{field: getattr(settings.GESSO, field) for field in settings.GESSO.__dataclass_fields__}
        | {"registration": "open"}
    )


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


def signed_in(client: Client) -> bool:
    return client.get("/studio").status_code == 200


def test_the_owner_link_makes_the_owner_and_leads_to_the_studio():
    path = path_of(sign_in_links.owner_link())
    client = Client()
    page = client.get(path)
    assert page.status_code == 200 and page["Cache-Control"].startswith("max-age=0")
    assert client.get(path).status_code == 200  # looking uses nothing up
    names = re.findall(r'<input[^>]* name="([a-z]+)"', page.content.decode())
    assert set(names) - {"csrfmiddlewaretoken"} == {"email", "password"}
    answer = client.post(path, {"email": "ada@example.com", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/studio")
    assert signed_in(client)
    owner = User.objects.get(email="ada@example.com")
    assert queries.balance(owner.personal_workspace.id).available >= catalog.current().credits.owner_grant
    assert Client().get(path).status_code == 410
    assert Client().post(path, {"email": "eve@example.com", "password": PASSWORD}).status_code == 410
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("email", "password", "sentence"),
    [
        ("", PASSWORD, "This field is required."),
        ("nonsense", PASSWORD, "Enter a valid email address."),
        ("ada@example.com", "", "This field is required."),
        ("ada@example.com", "short", "at least 10 characters"),
        ("ada@example.com", "password123", "too common"),
        ("adalovelace@example.com", "adalovelace1", "too similar"),
        ("ada@example.com", "x1" * 200, "at most 256 characters"),
        ("ada@example.com", "x" * 1_001, "at most 1000 characters"),
    ],
)
def test_a_bad_choice_gets_a_sentence_and_claims_nothing(email, password, sentence):
    path = path_of(sign_in_links.owner_link())
    answer = Client().post(path, {"email": email, "password": password})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not User.objects.exists()
    assert Client().get(path).status_code == 200


def test_an_owner_whose_address_is_taken_is_told_so_and_the_link_still_works():
    world.person(email="ada@example.com")
    path = path_of(sign_in_links.owner_link())
    answer = Client().post(path, {"email": "Ada@Example.com", "password": PASSWORD})
    assert answer.status_code == 422
    assert "This address has an account here already." in answer.content.decode()
    assert not User.objects.filter(is_owner=True).exists()
    assert Client().post(path, {"email": "eve@example.com", "password": PASSWORD}).status_code == 302
    assert User.objects.get(is_owner=True).email == "eve@example.com"


def test_a_sign_in_link_has_one_button_and_works_once():
    user = User.objects.create_user("ada@example.com")
    path = path_of(sign_in_links.create(user))
    client = Client()
    page = client.get(path).content.decode()
    assert page.count("<form") == 1 and page.count("<button") == 1
    assert client.post(path)["Location"] == "/studio"
    assert signed_in(client)
    assert Client().post(path).status_code == 410


@pytest.mark.parametrize("path", ["/owner/nonsense", "/sign-in/nonsense", "/sign-in/" + "x" * 2000])
def test_a_link_that_never_was_says_so(path):
    assert Client().get(path).status_code == 410


def test_a_password_opens_the_page_that_was_asked_for():
    who = world.person(email="ada@example.com")
    world.verify(who)
    client = Client()
    asked = client.get("/credits?cursor=")
    assert asked["Location"] == "/accounts/login/?next=/credits%3Fcursor%3D"
    form = {"login": "ADA@example.com", "password": PASSWORD, "next": "/credits?cursor="}
    assert client.post(reverse("account_login"), form)["Location"] == "/credits?cursor="
    away = Client().post(reverse("account_login"), form | {"next": "https://elsewhere.example/"})
    assert away["Location"] == "/studio"


def test_passwords_are_kept_as_argon2id():
    from gesso.config import settings

    assert settings.PASSWORD_HASHERS[-1] == "django.contrib.auth.hashers.Argon2PasswordHasher"


def test_the_wrong_password_and_nobody_read_the_same():
    world.verify(world.person(email="ada@example.com"))
    texts = set()
    for email in ("ada@example.com", "bob@example.com"):
        answer = Client().post(reverse("account_login"), {"login": email, "password": "not the password"})
        assert answer.status_code == 200
        texts.add(re.sub(r'value="[^"]*"', "", answer.content.decode()))
    assert len(texts) == 1


def test_guessing_ends():
    world.verify(world.person(email="ada@example.com"))
    client = Client()
    for _ in range(6):
        answer = client.post(reverse("account_login"), {"login": "ada@example.com", "password": "not the password"})
    assert "Too many failed login attempts" in answer.content.decode()
    client.post(reverse("account_login"), {"login": "ada@example.com", "password": PASSWORD})
    assert not signed_in(client)


def test_wrong_passwords_are_counted_for_an_account_whatever_the_host_says_and_shut_nobody_else_out():
    world.verify(world.person(email="ada@example.com"))
    known = User.objects.get()
    known.set_password(PASSWORD)
    known.save()
    guess = {"login": "ada@example.com", "password": "not the password"}
    for port in range(6):
        named = {"HTTP_HOST": f"127.0.0.1:{1000 + port}"}
        answer = Client(REMOTE_ADDR="192.0.2.1").post(reverse("account_login"), guess, **named)
    assert "Too many failed login attempts" in answer.content.decode()
    at_home = Client(REMOTE_ADDR="192.0.2.2")
    at_home.post(reverse("account_login"), guess | {"password": PASSWORD})
    assert signed_in(at_home)


def test_mails_speak_of_this_install_by_its_own_address(open_registration, settings):
    world.verify(world.person(email="ada@example.com"))
    elsewhere = {"HTTP_HOST": "localhost:6666"}
    Client().post(reverse("account_signup"), {"email": "ada@example.com", "password1": PASSWORD}, **elsewhere)
    Client().post(reverse("account_signup"), {"email": "eve@example.com", "password1": PASSWORD}, **elsewhere)
    known, new = (message.body for message in outbox_.outbox)
    base = settings.GESSO.base_url
    assert f"{base}/accounts/password/reset/" in known
    assert f"register an account on {base.partition('//')[2]}." in new
    for body in (known, new):
        assert body.rstrip().endswith(f"Gesso, {base}")
        assert "localhost:6666" not in body and " !" not in body and " on ." not in body


def test_a_code_by_mail_signs_in():
    world.verify(world.person(email="ada@example.com"))
    client = Client()
    client.post(reverse("account_request_login_code"), {"email": "ada@example.com"})
    [message] = outbox_.outbox
    assert message.to == ["ada@example.com"]
    code = re.search(r"^([A-Z0-9-]{6,})$", message.body, re.MULTILINE)[1]
    client.post(reverse("account_confirm_login_code"), {"code": "WRONG1"})
    assert not signed_in(client)
    client.post(reverse("account_confirm_login_code"), {"code": code})
    assert signed_in(client)


def test_accounts_are_by_invitation_unless_registration_is_open():
    answer = Client().get(reverse("account_signup"))
    assert "by invitation" in answer.content.decode()
    Client().post(reverse("account_signup"), {"email": "eve@example.com", "password1": PASSWORD})
    assert not User.objects.exists()


@pytest.mark.usefixtures("open_registration")
def test_open_registration_proves_the_address_first():
    client = Client()
    client.post(reverse("account_signup"), {"email": "bob@example.com", "password1": PASSWORD})
    assert not signed_in(client)
    [message] = outbox_.outbox
    code = re.search(r"^([A-Z0-9-]{6,})$", message.body, re.MULTILINE)[1]
    client.post(reverse("account_email_verification_sent"), {"code": code})
    assert signed_in(client)


def test_a_second_factor_is_asked_for_after_a_one_time_link():
    from allauth.mfa.totp.internal import auth as totp

    user = User.objects.create_user("ada@example.com")
    totp.TOTP.activate(user, totp.generate_totp_secret())
    client = Client()
    assert client.post(path_of(sign_in_links.create(user)))["Location"] == reverse("mfa_authenticate")
    assert not signed_in(client)


def test_signing_out_takes_a_post():
    who = world.person()
    client = Client()
    client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.get(reverse("account_logout"))
    assert signed_in(client)
    client.post(reverse("account_logout"))
    assert not signed_in(client)


@pytest.mark.parametrize(
    "name", ["account_login", "account_signup", "account_reset_password", "account_request_login_code"]
)
def test_the_doors_are_drawn_in_our_own_dress(name):
    page = Client().get(reverse(name)).content.decode()
    assert 'class="auth"' in page
    assert not re.search(r"<style|<script(?![^>]*(?:src=|application/json))|\son[a-z]+=|\sstyle=", page)


def test_focus_begins_at_the_first_wrong_field():
    path = path_of(sign_in_links.owner_link())
    assert "autofocus" not in Client().get(path).content.decode()
    page = Client().post(path, {"email": "ada@example.com", "password": "short"}).content.decode()
    assert re.findall(r'name="(\w+)"[^>]* autofocus', page) == ["password"]


@pytest.mark.usefixtures("open_registration")
def test_every_new_password_says_the_same_short_rule():
    who = Client()
    who.force_login(world.person().user, backend="allauth.account.auth_backends.AuthenticationBackend")
    pages = [
        Client().get("/accounts/signup/"),
        who.get("/accounts/password/change/"),
        Client().get(path_of(sign_in_links.owner_link())),
    ]
    for page in (answer.content.decode() for answer in pages):
        assert "At least 10 characters." in page
        assert "256 characters" not in page and "personal information" not in page
