"""What allauth says, in our words: headings in sentence case, sessions by the browser's name. Previews that have gone."""

import pytest
from django.test import Client

from gesso.web.templatetags import controls
from tests import world


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Two-Factor Authentication", "Two-factor authentication"),
        ("\n    Enter Sign-In Code\n", "Enter sign-in code"),
        ("New Password (again)", "New password (again)"),
        ("API keys", "API keys"),
        ("Your API Key", "Your API key"),
        ("Email", "Email"),
        ("", ""),
    ],
)
def test_headings_are_in_sentence_case(theirs, ours):
    assert controls.plainly(theirs) == ours


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Unknown browser"),
    ],
)
def test_a_session_is_called_by_its_browser(agent, name):
    assert controls.browser_name(agent) == name


@pytest.mark.django_db
def test_a_preview_that_is_gone_is_no_error_of_the_page():
    who = world.person(credits=10)
    client = Client()
    client.force_login(who.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    gone = client.get(f"/generations/{world.submit(who).id}/previews/0")
    assert (gone.status_code, gone.content) == (204, b"")
