"""Django's settings, derived from the environment of `contracts.md`. Nothing here reads `os.environ` twice."""

import os
import sys
import urllib.parse
from typing import Any

import psycopg.conninfo
import structlog
from django.core.exceptions import ImproperlyConfigured

from gesso.config import embedded, secrets
from gesso.core import env

try:
    GESSO = env.read(os.environ)
except env.BadEnvironment as problem:
    raise ImproperlyConfigured(str(problem)) from None

DEBUG = False
SECRET_KEY = GESSO.secret_key or secrets.embedded_key(GESSO.data_dir)
ROOT_URLCONF = "gesso.config.urls"
ALLOWED_HOSTS = ["*"] if GESSO.host in {"0.0.0.0", "::"} else []  # noqa: S104
_base = urllib.parse.urlsplit(GESSO.base_url)
SECURE = _base.scheme == "https"
ALLOWED_HOSTS += sorted({_base.hostname or "", GESSO.host, "127.0.0.1", "localhost", "[::1]"} - {""})
CSRF_TRUSTED_ORIGINS = [GESSO.base_url]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    *(["allauth.socialaccount.providers.google"] if GESSO.google else []),
    *(["allauth.socialaccount.providers.github"] if GESSO.github else []),
    "django_htmx",
    "procrastinate.contrib.django",
    "gesso.accounts",
    "gesso.credits",
    "gesso.images",
    "gesso.generations",
    "gesso.web",
    "gesso.api",
    "gesso.staff",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "gesso.web.headers.middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gesso.web.frame.context",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    options: dict[str, Any] = {"application_name": "gesso"}
    if GESSO.embedded:
        place = embedded.location(GESSO.data_dir)
        known = {"host": str(place.socket_dir), "user": embedded.ROLE, "dbname": embedded.DATABASE}
    else:
        known = {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(GESSO.database_url).items()}
    options |= {
        name: value for name, value in known.items() if name not in {"host", "port", "user", "password", "dbname"}
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": known.get("dbname", "gesso"),
        "USER": known.get("user", ""),
        "PASSWORD": known.get("password", ""),
        "HOST": known.get("host", ""),
        "PORT": known.get("port", ""),
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 0,
        "OPTIONS": options,
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def pool_connections(threads: int) -> None:
    """Give this process a pool of database connections: one for each of its `threads`, and two to spare."""
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": threads + 2, "timeout": 10}


AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]

USE_TZ = True
TIME_ZONE = GESSO.timezone
LANGUAGE_CODE = "en"
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = GESSO.data_dir / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # nothing is stored through Django
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Cookies: ports share cookies and browsers drop Secure ones on plain http, so the name carries the port there (REQ-50).
SESSION_COOKIE_NAME = "__Host-session" if SECURE else f"gesso-{GESSO.port}"
SESSION_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_USE_SESSIONS = True
CSRF_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_SSL_REDIRECT = False  # the proxy in front does it; GESSO_BASE_URL says https
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if GESSO.trusted_proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 8
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

TESTING = "pytest" in sys.modules

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ],
    logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
