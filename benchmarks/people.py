"""Somebody to measure with: a signed-in owner with credits and an API key, on the measured stack."""

import dataclasses
import re

import httpx2

from benchmarks import stack


@dataclasses.dataclass(frozen=True)
class Person:
    """A session's cookies as one header, a token for its forms, and a key of the same workspace."""

    cookie: str
    form_token: str
    key: str

    @property
    def bearer(self) -> dict[str, str]:
        """Return the headers of an API call."""
        return {"authorization": f"Bearer {self.key}", "content-type": "application/json"}


def owner(here: stack.Stack, *, credits: int = 1_000_000) -> Person:  # noqa: A002 (the word for it)
    """Make the owner, with credits and a key, and sign in."""
    email = "owner@example.com"
    link = here.gesso("user", "add", email, "--owner")
    here.gesso("grant", email, str(credits), "--reason", "benchmark")
    key = here.gesso("key", "create", email)
    with httpx2.Client(base_url=here.url, follow_redirects=True, trust_env=False, timeout=30) as browser:
        page = browser.get(link).text
        browser.post(link, data={"csrfmiddlewaretoken": _token(page)})
        studio = browser.get("/studio")
        assert studio.status_code == 200, studio.text
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        return Person(cookie, _token(studio.text), key)


def _token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page[:500]
    return found[1]
