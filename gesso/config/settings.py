"""Django's settings, derived from the environment of `contracts.md`. Nothing here reads `os.environ` twice."""

import os
import sys
import urllib.parse
from typing import Any

import psycopg.conninfo
from django.core.exceptions import ImproperlyConfigured

from gesso.accounts import passwords
from gesso.config import embedded, logs, secrets
from gesso.core import env

try:
    GESSO = env.read(os.environ)
except env.BadEnvironment as problem:
    raise ImproperlyConfigured(str(problem)) from None

DEBUG = False
SECRET_KEY = GESSO.secret_key or secrets.embedded_key(GESSO.data_dir)
ROOT_URLCONF = "gesso.config.urls"
ALLOWED_HOSTS = ["*"] if GESSO.host in {"0.0.0.0", "::"} else []  # noqa: S104 (compared, not bound)
_base = urllib.parse.urlsplit(GESSO.base_url)
SECURE = _base.scheme == "https"
ALLOWED_HOSTS += sorted({_base.hostname or "", GESSO.host, "127.0.0.1", "localhost", "[::1]"} - {""})
CSRF_TRUSTED_ORIGINS = [GESSO.base_url]

INSTALLED_APPS = [
    # Ours come first, so that our templates are found before those of the libraries.
    "gesso.accounts",
    "gesso.credits",
    "gesso.images",
    "gesso.generations",
    "gesso.billing",
    "gesso.webhooks",
    "gesso.web",
    "gesso.api",
    "gesso.staff",
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
]

MIDDLEWARE = [
    "gesso.core.networks.middleware",
    "django.middleware.security.SecurityMiddleware",
    "gesso.web.headers.middleware",
    "gesso.web.compression.middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
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
    options: dict[str, Any] = {}
    if GESSO.embedded:
        place = embedded.location(GESSO.data_dir)
        known = {"host": str(place.socket_dir), "user": embedded.ROLE, "dbname": embedded.DATABASE}
    else:
        known = {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(GESSO.database_url).items()}
    options |= {"server_side_binding": True, "prepare_threshold": 3} | {
        name: value for name, value in known.items() if name not in {"host", "port", "user", "password", "dbname"}
    }
    return {
        "ENGINE": "gesso.core.postgres",
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


def keep_connections() -> None:
    """Let each thread of this process keep its connection.

    A process has a small, fixed number of threads that use the database, so a pool would only add a check-out.
    """
    DATABASES["default"]["CONN_MAX_AGE"] = None


AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "gesso.accounts.passwords.NotTooLong"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": passwords.SHORTEST},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/studio"
ACCOUNT_ADAPTER = "gesso.web.account.registration.Adapter"
ACCOUNT_FORMS = {
    "signup": "gesso.web.account.signing_up.SignUpForm",
    "change_password": "gesso.web.account.new_passwords.ChangePasswordForm",
    "set_password": "gesso.web.account.new_passwords.SetPasswordForm",
    "reset_password_from_key": "gesso.web.account.new_passwords.ResetPasswordKeyForm",
}
SOCIALACCOUNT_ADAPTER = "gesso.web.account.registration.SocialAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SECURE else "http"
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "5/m/key,20/h/ip",
    "signup": "5/h/ip",
    "reset_password": "3/h/key,20/h/ip",
    "request_login_code": "3/m/key,20/h/ip",
}
ALLAUTH_TRUSTED_PROXY_COUNT = 0  # the server knows which proxies to believe: the client is REMOTE_ADDR (`config.web`)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not SECURE  # browsers themselves allow it on localhost only
MFA_TOTP_ISSUER = "Gesso"
MFA_FORMS = {
    "add_webauthn": "gesso.web.account.passkeys.Addition",
    "authenticate_webauthn": "gesso.web.account.passkeys.SecondFactor",
    "login_webauthn": "gesso.web.account.passkeys.SignIn",
    "reauthenticate_webauthn": "gesso.web.account.passkeys.Reauthentication",
}
SOCIALACCOUNT_PROVIDERS = {
    name: {"APPS": [{"client_id": pair[0], "secret": pair[1], "key": ""}], "EMAIL_AUTHENTICATION": True}
    for name, pair in (("google", GESSO.google), ("github", GESSO.github))
    if pair
}
SOCIALACCOUNT_LOGIN_ON_GET = False

# Limits on attempts count for all web processes together, so they stand in the database.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "attempts"}}

EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if GESSO.email_url else 'console'}.EmailBackend"
_mail = urllib.parse.urlsplit(GESSO.email_url)
EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or (465 if _mail.scheme == "smtps" else 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = (
    urllib.parse.unquote(_mail.username or ""),
    urllib.parse.unquote(_mail.password or ""),
)
EMAIL_USE_SSL = _mail.scheme == "smtps"
EMAIL_USE_TLS = not EMAIL_USE_SSL and _mail.port not in {25, 1025}
EMAIL_TIMEOUT = 20  # seconds
DEFAULT_FROM_EMAIL = GESSO.email_from

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
SESSION_ENGINE = "gesso.accounts.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600  # since the last use; the engine knows an end that no use puts off
CSRF_USE_SESSIONS = True
CSRF_COOKIE_SECURE = SECURE
CSRF_FAILURE_VIEW = "gesso.web.errors.stale_form"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
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

logs.configure()
LOGGING = logs.LOGGING
