"""Whose address counts, on a whole running install: a trusted proxy's word is taken, anybody else's is not."""

import re

import httpx2

from gesso.credits import allowances
from tests import instance

CATALOG = "[free]\nper_network = 1\n"


def visit(site: instance.Instance, email: str, forwarded: str) -> str:
    """Come in by a one-time link, through what says it is a proxy, and return the page of credits."""
    link = site.run("user", "add", email).stdout.strip()
    headers = {"X-Forwarded-For": forwarded, "Referer": link, "Origin": site.url}
    with httpx2.Client(headers=headers, trust_env=False, follow_redirects=True, timeout=30) as browser:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(link).text)[1]
        assert browser.post(link, data={"csrfmiddlewaretoken": token}).status_code == 200
        return browser.get(f"{site.url}/credits").text


def test_a_trusted_proxy_says_where_people_are(places):
    directory = places()
    (directory / "catalog.toml").write_text(CATALOG)
    words = {"GESSO_CATALOG": str(directory / "catalog.toml"), "GESSO_TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1"}
    with instance.running(directory, **words) as site:
        assert allowances.CROWDED not in visit(site, "ada@example.com", "8.8.8.1")
        assert allowances.CROWDED in visit(site, "bob@example.com", "8.8.8.2")
        # What a client puts before the proxy's own word is nobody's word.
        assert allowances.CROWDED in visit(site, "cleo@example.com", "9.9.9.9, 8.8.8.3")
        assert allowances.CROWDED not in visit(site, "dan@example.com", "8.8.9.1")


def test_nobody_else_is_believed(places):
    directory = places()
    (directory / "catalog.toml").write_text(CATALOG)
    with instance.running(directory, GESSO_CATALOG=str(directory / "catalog.toml")) as site:
        for email in ("ada@example.com", "bob@example.com"):  # both of this machine, which is not counted
            assert allowances.CROWDED not in visit(site, email, "8.8.8.1")
