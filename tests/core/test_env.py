"""The environment: defaults, every rule, and one sentence for each mistake."""

import pathlib
import re

import pytest

from gesso.core import env

URL = "postgresql:///gesso"
KEY = "k" * 32


def test_a_fresh_machine_needs_nothing():
    found = env.read({})
    assert found.embedded
    assert found.data_dir == pathlib.Path("data").absolute()
    assert (found.host, found.port, found.base_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert (found.registration, found.worker_concurrency, found.timezone) == ("invite", 400, "UTC")
    assert found.openai_base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("0.0.0.0", "http://127.0.0.1:9000"),
        ("::", "http://127.0.0.1:9000"),
        ("::1", "http://[::1]:9000"),
        ("10.1.1.1", "http://10.1.1.1:9000"),
    ],
)
def test_the_base_url_is_derived_from_where_web_listens(host, base_url):
    assert env.read({"GESSO_HOST": host, "GESSO_PORT": "9000"}).base_url == base_url


def test_a_base_url_loses_its_last_slash():
    assert env.read({"GESSO_BASE_URL": "https://studio.example.com/"}).base_url == "https://studio.example.com"


def test_the_readme_lists_every_variable_of_ours_and_no_other():
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    assert set(re.findall(r"GESSO_[A-Z_]+", readme)) == env.KNOWN


def test_variables_of_others_are_none_of_our_business():
    env.read({"PATH": "/bin", "GESSOX": "1", "gesso_port": "x"})


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"GESSO_PROT": "1"}, "GESSO_PROT"),
        ({"GESSO_PORT": "0"}, "GESSO_PORT"),
        ({"GESSO_PORT": "65536"}, "GESSO_PORT"),
        ({"GESSO_PORT": "8_0"}, "GESSO_PORT"),
        ({"GESSO_PORT": "٨٠"}, "GESSO_PORT"),
        ({"GESSO_WORKER_CONCURRENCY": "2001"}, "GESSO_WORKER_CONCURRENCY"),
        ({"GESSO_BASE_URL": "studio.example.com"}, "GESSO_BASE_URL"),
        ({"GESSO_BASE_URL": "https://example.com/studio"}, "GESSO_BASE_URL"),
        ({"GESSO_BASE_URL": "http://[::1"}, "GESSO_BASE_URL"),
        ({"GESSO_BASE_URL": "http://a:99999"}, "GESSO_BASE_URL"),
        ({"GESSO_BASE_URL": "http://a:0"}, "GESSO_BASE_URL"),
        ({"GESSO_BASE_URL": "https://"}, "GESSO_BASE_URL"),
        ({"GESSO_HOST": "127.0.0.1:8000"}, "GESSO_HOST"),
        ({"GESSO_HOST": "[::1]"}, "GESSO_HOST"),
        ({"DATABASE_URL": "postgres://[::1", "GESSO_SECRET_KEY": KEY}, "DATABASE_URL"),
        ({"GESSO_STORAGE_URL": "s3://["}, "GESSO_STORAGE_URL"),
        ({"OPENAI_BASE_URL": "https://"}, "OPENAI_BASE_URL"),
        ({"OPENAI_BASE_URL": "https:///v1"}, "OPENAI_BASE_URL"),
        ({"STRIPE_SECRET_KEY": "k", "STRIPE_WEBHOOK_SECRET": KEY, "STRIPE_API_BASE": "http://"}, "STRIPE_API_BASE"),
        ({"GESSO_TRUSTED_PROXIES": "not an address"}, "GESSO_TRUSTED_PROXIES"),
        ({"GESSO_TRUSTED_PROXIES": "10.0.0.1, proxy"}, "GESSO_TRUSTED_PROXIES"),
        ({"GESSO_TRUSTED_PROXIES": "10.0.0.1/8"}, "GESSO_TRUSTED_PROXIES"),
        ({"GESSO_TRUSTED_PROXIES": "*"}, "GESSO_TRUSTED_PROXIES"),
        ({"DATABASE_URL": "mysql://x", "GESSO_SECRET_KEY": KEY}, "DATABASE_URL"),
        ({"DATABASE_URL": URL}, "GESSO_SECRET_KEY"),
        ({"GESSO_SECRET_KEY": "short"}, "GESSO_SECRET_KEY"),
        ({"GESSO_SECRET_KEY_FILE": "/no/such/file"}, "GESSO_SECRET_KEY_FILE"),
        ({"GESSO_STORAGE_URL": "ftp://x"}, "GESSO_STORAGE_URL"),
        ({"GESSO_CATALOG": "/no/such/catalog.toml"}, "GESSO_CATALOG"),
        ({"GESSO_REGISTRATION": "maybe"}, "GESSO_REGISTRATION"),
        ({"GESSO_TIMEZONE": "Mars/Olympus"}, "GESSO_TIMEZONE"),
        ({"EMAIL_URL": "mail.example.com"}, "EMAIL_URL"),
        ({"EMAIL_URL": "smtp://"}, "EMAIL_URL"),
        ({"EMAIL_URL": "smtp://h:abc"}, "EMAIL_URL"),
        ({"GOOGLE_CLIENT_ID": "x"}, "GOOGLE_CLIENT_SECRET"),
        ({"GITHUB_CLIENT_SECRET": "x"}, "GITHUB_CLIENT_ID"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_variable(variables, named):
    with pytest.raises(env.BadEnvironment) as mistake:
        env.read(variables)
    assert named in str(mistake.value)
    assert str(mistake.value).endswith(".")
    assert "\n" not in str(mistake.value)


def test_a_secret_is_never_repeated():
    with pytest.raises(env.BadEnvironment) as mistake:
        env.read({"DATABASE_URL": "mysql://ada:hunter2@db"})
    assert "hunter2" not in str(mistake.value)
    with pytest.raises(env.BadEnvironment) as mistake:
        env.read({"EMAIL_URL": "smtp://ada:hunter2@mail:abc"})
    assert "hunter2" not in str(mistake.value)
    shown = repr(
        env.read({"DATABASE_URL": "postgres://ada:hunter2@db/x", "GESSO_SECRET_KEY": KEY, "OPENAI_API_KEY": "sk-1"})
    )
    assert not any(secret in shown for secret in ("hunter2", KEY, "sk-1"))


def test_proxies_are_addresses_and_networks():
    found = env.read({"GESSO_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1,::1, fd00::/8,"})
    assert found.trusted_proxies == ("10.0.0.0/8", "192.0.2.1", "::1", "fd00::/8")


def test_a_database_may_have_several_hosts_or_none():
    for url in ("postgresql://one:5432,two:5433/gesso", "postgresql:///gesso"):
        assert env.read({"DATABASE_URL": url, "GESSO_SECRET_KEY": KEY}).database_url == url


def test_a_key_may_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    assert env.read({"GESSO_SECRET_KEY_FILE": str(tmp_path / "key")}).secret_key == KEY
