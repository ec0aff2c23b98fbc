"""What is no passkey is refused in a sentence, by each form that takes one; a passkey of ours opens each of them."""

import json

import pytest
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import STATE_SESSION_KEY
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from fido2.cose import ES256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

from tests import world

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
KEY, ID = ec.generate_private_key(ec.SECP256R1()), b"a passkey of tests"
SITE = sha256(b"testserver")
BARE = ["", "x", "[", "[" * 3000, '{"a":' * 3000, "1" * 5000, "null", "1", '"a"', "[]", "{}", "\0", '{"id": 1}']
ODD = [
    None, 1, 10**30, 1.5, [], {"a": 1}, "", "x", "é", "\0", "\ud800",
    *(websafe_encode(part) for part in (b"[" * 3000, b"{}", b"\x81" * 3000, b"\xff" * 200, b"1" * 5000, b"\0" * 37)),
]  # fmt: skip


@pytest.fixture
def who():
    made = world.person()
    world.verify(made)
    return made


@pytest.fixture
def browser(who):
    """Who signed in with a password just now."""
    client = Client()
    client.post(reverse("account_login"), {"login": who.user.email, "password": PASSWORD})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return client


@pytest.fixture
def holder(browser, who):
    """Who has a passkey."""
    assert add(browser, made(browser)).status_code == 302
    return who


def add(client: Client, credential: object):
    return client.post(reverse("mfa_add_webauthn"), {"name": "Mine", "credential": json.dumps(credential)})


def said(client: Client, kind: str) -> bytes:
    """Return what the browser signs, about the challenge that it was given last."""
    challenge = client.session[STATE_SESSION_KEY]["challenge"]
    return json.dumps({"type": kind, "challenge": challenge, "origin": "http://testserver"}).encode()


def made(client: Client) -> dict:
    """Return a new passkey, as a browser does when asked by the page of its addition."""
    client.get(reverse("mfa_add_webauthn"))
    key = AttestedCredentialData.create(Aaguid.NONE, ID, ES256.from_cryptography_key(KEY.public_key()))
    attestation = AttestationObject.create("none", AuthenticatorData.create(SITE, 0x45, 0, key), {})
    words = said(client, "webauthn.create")
    response = {"clientDataJSON": websafe_encode(words), "attestationObject": websafe_encode(attestation)}
    return whole(response) | {"clientExtensionResults": {"credProps": {"rk": True}}}


def used(client: Client, who: world.Person) -> dict:
    """Return that passkey used for the challenge in the session."""
    words, data = said(client, "webauthn.get"), AuthenticatorData.create(SITE, 0x05, 1)
    response = {
        "clientDataJSON": websafe_encode(words),
        "authenticatorData": websafe_encode(data),
        "signature": websafe_encode(KEY.sign(data + sha256(words), ec.ECDSA(hashes.SHA256()))),
        "userHandle": websafe_encode(user_pk_to_url_str(who.user).encode()),
    }
    return whole(response)


def whole(response: dict) -> dict:
    return {"id": websafe_encode(ID), "rawId": websafe_encode(ID), "type": "public-key", "response": response}


def damaged(credential: dict) -> list[str]:
    """Return the credential without each of its parts, and with another thing in the place of each that is proved."""
    texts = list(BARE)
    for name in ("rawId", "response"):
        texts.append(json.dumps({key: value for key, value in credential.items() if key != name}))
        texts += [json.dumps(credential | {name: odd}) for odd in ODD]
    for name in set(credential["response"]) - {"userHandle"}:
        parts = credential["response"]
        texts.append(json.dumps(credential | {"response": {key: parts[key] for key in parts if key != name}}))
        texts += [json.dumps(credential | {"response": parts | {name: odd}}) for odd in ODD]
    texts += [
        json.dumps(credential | {"clientExtensionResults": odd}) for odd in (1, "\0", {"a": "\0"}, {"a": "\ud800"})
    ]
    return texts


def at_the_door() -> Client:
    client = Client()
    client.get(reverse("mfa_login_webauthn"), headers={"x-requested-with": "XMLHttpRequest"})
    return client


@pytest.fixture
def any_number_of_tries(settings):
    settings.MFA_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS = False


@pytest.mark.usefixtures("any_number_of_tries")
def test_at_the_door_a_damaged_passkey_opens_nothing(holder):
    client = at_the_door()
    for text in damaged(used(client, holder)):
        answer = client.post(reverse("mfa_login_webauthn"), {"credential": text})
        assert (answer.status_code, answer["Location"]) == (302, reverse("account_login")), text
        assert [str(message) for message in get_messages(answer.wsgi_request)], text
        client.get(reverse("account_login"))  # shows what was said
    client.post(reverse("mfa_login_webauthn"), {"credential": json.dumps(used(client, holder))})
    assert client.get("/studio").status_code == 200


@pytest.mark.usefixtures("any_number_of_tries")
def test_a_damaged_passkey_is_no_second_factor(holder):
    client = Client()
    client.post(reverse("account_login"), {"login": holder.user.email, "password": PASSWORD})
    client.get(reverse("mfa_authenticate"))
    for text in damaged(used(client, holder)):
        answer = client.post(reverse("mfa_authenticate"), {"credential": text})
        assert answer.status_code == 200, text
        assert b'role="alert"' in answer.content, text
    client.post(reverse("mfa_authenticate"), {"credential": json.dumps(used(client, holder))})
    assert client.get("/studio").status_code == 200


@pytest.mark.usefixtures("any_number_of_tries")
def test_a_damaged_passkey_proves_nobody_again(holder):
    client, path = Client(), reverse("mfa_reauthenticate_webauthn")
    client.force_login(holder.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    client.get(path)
    for text in damaged(used(client, holder)):
        assert client.post(path, {"credential": text})["Location"] == reverse("account_login"), text
    assert client.post(path, {"credential": json.dumps(used(client, holder))})["Location"] == "/studio"


def test_a_damaged_passkey_is_not_added(browser):
    for text in damaged(made(browser)):
        made(browser)
        answer = browser.post(reverse("mfa_add_webauthn"), {"name": "Mine", "credential": text})
        assert answer.status_code == 200, text
        assert b'role="alert"' in answer.content, text
    assert not Authenticator.objects.exists()
