"""The environment of `contracts.md`, read once and checked: an unknown GESSO_ name or a bad value is one sentence.

What does not belong here: anything about models, prices and limits (the catalogue), and Django's own settings.
"""

import dataclasses
import ipaddress
import pathlib
import re
import urllib.parse
import zoneinfo
from collections.abc import Mapping
from typing import Literal, cast

Registration = Literal["open", "invite", "closed"]


class BadEnvironment(Exception):
    """The environment can't be used as it is; the message names the variable and says what it should be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Environment:
    """Every variable of `contracts.md`, parsed. Secrets are kept out of `repr`."""

    data_dir: pathlib.Path
    host: str
    port: int
    base_url: str
    database_url: str = dataclasses.field(repr=False)  # empty: the embedded database
    storage_url: str = dataclasses.field(repr=False)  # empty: images/ in the data directory
    secret_key: str = dataclasses.field(repr=False)  # empty: embedded mode makes one
    catalog: pathlib.Path | None
    registration: Registration
    worker_concurrency: int
    timezone: str
    email_url: str = dataclasses.field(repr=False)  # empty: printed on the console
    email_from: str
    support_email: str
    trusted_proxies: tuple[str, ...]
    openai_api_key: str = dataclasses.field(repr=False)
    openai_base_url: str
    google: tuple[str, str] | None = dataclasses.field(repr=False)
    github: tuple[str, str] | None = dataclasses.field(repr=False)
    stripe: "GatewayKeys | None" = dataclasses.field(repr=False)
    creem: "GatewayKeys | None" = dataclasses.field(repr=False)

    @property
    def embedded(self) -> bool:
        """Whether Gesso runs its own Postgres."""
        return not self.database_url


@dataclasses.dataclass(frozen=True)
class GatewayKeys:
    """What one payment gateway needs: its API key, the secret that its webhooks are signed with, its address."""

    api_key: str = dataclasses.field(repr=False)
    webhook_secret: str = dataclasses.field(repr=False)
    base_url: str


KNOWN = frozenset({
    "GESSO_BASE_URL", "GESSO_CATALOG", "GESSO_DATA_DIR", "GESSO_EMAIL_FROM", "GESSO_HOST", "GESSO_PORT",
    "GESSO_REGISTRATION", "GESSO_SECRET_KEY", "GESSO_SECRET_KEY_FILE", "GESSO_STORAGE_URL", "GESSO_SUPPORT_EMAIL",
    "GESSO_TIMEZONE", "GESSO_TRUSTED_PROXIES", "GESSO_WORKER_CONCURRENCY",
})  # fmt: skip


def read(variables: Mapping[str, str]) -> Environment:
    """Return the environment that `variables` (usually `os.environ`) describe.

    Raises BadEnvironment with one sentence for the first thing that is wrong.
    """
    unknown = sorted(name for name in variables if name.startswith("GESSO_") and name not in KNOWN)
    if unknown:
        raise BadEnvironment(f"{unknown[0]} is not a variable that Gesso knows; the README lists them all.")
    host = _host(variables)
    port = _integer(variables, "GESSO_PORT", 8000, 1, 65535)
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 (compared, not bound)
    return Environment(
        data_dir=pathlib.Path(variables.get("GESSO_DATA_DIR") or "data").absolute(),
        host=host,
        port=port,
        base_url=_base_url(variables, f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"),
        database_url=_url(variables, "DATABASE_URL", {"postgres", "postgresql"}),
        storage_url=_url(variables, "GESSO_STORAGE_URL", {"file", "s3"}),
        secret_key=_secret_key(variables),
        catalog=_file(variables, "GESSO_CATALOG"),
        registration=_registration(variables),
        worker_concurrency=_integer(variables, "GESSO_WORKER_CONCURRENCY", 400, 1, 2000),
        timezone=_timezone(variables),
        email_url=_url(variables, "EMAIL_URL", {"smtp", "smtps"}, host=True),
        email_from=variables.get("GESSO_EMAIL_FROM") or "Gesso <gesso@localhost>",
        support_email=variables.get("GESSO_SUPPORT_EMAIL", ""),
        trusted_proxies=_proxies(variables),
        openai_api_key=variables.get("OPENAI_API_KEY", ""),
        openai_base_url=_url(variables, "OPENAI_BASE_URL", {"http", "https"}, host=True) or "https://api.openai.com/v1",
        google=_pair(variables, "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"),
        github=_pair(variables, "GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"),
        stripe=_gateway(variables, "STRIPE", "STRIPE_SECRET_KEY", "https://api.stripe.com"),
        creem=_gateway(variables, "CREEM", "CREEM_API_KEY", ""),
    )


def _integer(variables: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = variables.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise BadEnvironment(f"{name} must be a whole number from {low} to {high}, not {text!r}.")
    return int(text)


def _url(variables: Mapping[str, str], name: str, schemes: set[str], *, host: bool = False) -> str:
    """Return an address, which with `host` names exactly one. It may hold a password, so no sentence repeats it."""
    text = variables.get(name, "").strip()
    if text and text.partition(":")[0].lower() not in schemes:
        raise BadEnvironment(f"{name} must begin with {' or '.join(f'{scheme}://' for scheme in sorted(schemes))}.")
    try:
        parts = urllib.parse.urlsplit(text)
        whole = not (text and host) or (parts.hostname and parts.port != 0)
    except ValueError:  # a bracket is open, or the port is no port
        whole = False
    if not whole:
        raise BadEnvironment(f"{name} must name a host, and any port must be from 1 to 65535.")
    return text


def _host(variables: Mapping[str, str]) -> str:
    text = variables.get("GESSO_HOST") or "127.0.0.1"
    if ":" in text and not _is_network(text):
        raise BadEnvironment(f"GESSO_HOST must be an address or a name, without a port, not {text!r}.")
    return text


def _base_url(variables: Mapping[str, str], default: str) -> str:
    text = (_url(variables, "GESSO_BASE_URL", {"http", "https"}, host=True) or default).rstrip("/")
    parts = urllib.parse.urlsplit(text)
    if parts.path or parts.query:
        raise BadEnvironment(
            f"GESSO_BASE_URL must be an address without a path, such as https://studio.example.com, not {text!r}."
        )
    return text


def _proxies(variables: Mapping[str, str]) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in variables.get("GESSO_TRUSTED_PROXIES", "").split(",") if part.strip())
    for part in parts:
        if not _is_network(part):  # uvicorn would take it and never meet it
            raise BadEnvironment(
                f"GESSO_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, with commas, not {part!r}."
            )
    return parts


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _secret_key(variables: Mapping[str, str]) -> str:
    if path := _file(variables, "GESSO_SECRET_KEY_FILE"):
        key = path.read_text().strip()
    else:
        key = variables.get("GESSO_SECRET_KEY", "").strip()
    if key and len(key) < 32:
        raise BadEnvironment("GESSO_SECRET_KEY must have at least 32 characters; `openssl rand -hex 32` makes one.")
    if not key and variables.get("DATABASE_URL"):
        raise BadEnvironment("GESSO_SECRET_KEY is required with DATABASE_URL; `openssl rand -hex 32` makes one.")
    return key


def _file(variables: Mapping[str, str], name: str) -> pathlib.Path | None:
    text = variables.get(name, "").strip()
    if not text:
        return None
    path = pathlib.Path(text).absolute()
    if not path.is_file():
        raise BadEnvironment(f"{name} names no file: {path}.")
    return path


def _registration(variables: Mapping[str, str]) -> Registration:
    text = variables.get("GESSO_REGISTRATION") or "invite"
    if text not in {"open", "invite", "closed"}:
        raise BadEnvironment(f"GESSO_REGISTRATION must be open, invite or closed, not {text!r}.")
    return cast("Registration", text)


def _timezone(variables: Mapping[str, str]) -> str:
    text = variables.get("GESSO_TIMEZONE") or "UTC"
    if text not in zoneinfo.available_timezones():
        raise BadEnvironment(f"GESSO_TIMEZONE must be a timezone name such as Europe/Stockholm, not {text!r}.")
    return text


def _pair(variables: Mapping[str, str], first: str, second: str) -> tuple[str, str] | None:
    values = variables.get(first, ""), variables.get(second, "")
    if any(values) and not all(values):
        raise BadEnvironment(f"{first} and {second} must be set together.")
    return values if all(values) else None


def _gateway(variables: Mapping[str, str], name: str, key_name: str, address: str) -> GatewayKeys | None:
    """A key without a webhook secret is refused: with an empty one anybody could sign a payment."""
    key, secret = variables.get(key_name, "").strip(), variables.get(f"{name}_WEBHOOK_SECRET", "").strip()
    if not key and not secret:
        return None
    if not key or len(secret) < 16:
        raise BadEnvironment(
            f"{key_name} and {name}_WEBHOOK_SECRET must be set together, the secret as the gateway shows it: "
            "without it anybody could sign a payment."
        )
    if not address:  # Creem keeps test and live apart by address
        address = "https://test-api.creem.io" if key.startswith("creem_test_") else "https://api.creem.io"
    return GatewayKeys(key, secret, _url(variables, f"{name}_API_BASE", {"http", "https"}, host=True) or address)
