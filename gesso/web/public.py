"""The pages for everybody: what Gesso is, what it costs, and what crawlers ask for.

Invariant: they read no session, set no cookie and ask nothing of the database, so any cache may keep them. What they
say about prices and models comes from the catalogue of this install.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Concatenate

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from gesso.core import catalog
from gesso.web import wording
from gesso.web.money import offers

PAGES = ("/", "/pricing")
PRIVATE = (
    "/studio", "/library", "/trash", "/images/", "/generations/", "/credits", "/settings", "/accounts/", "/owner/",
    "/test-checkout/", "/staff/", "/events", "/api/", "/v1/",
)  # fmt: skip
KEPT_SECONDS = 300

View = Callable[Concatenate[HttpRequest, ...], HttpResponse]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Credits for one image, by quality, as words."""

    low: str
    medium: str
    high: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model of the price list."""

    name: str
    note: str
    prices: list[str]
    shapes: str
    references: str


def public(view: View) -> View:
    """Let any cache keep the answer for a while."""
    return require_safe(cache_control(public=True, max_age=KEPT_SECONDS)(view))


@public
def landing(request: HttpRequest) -> HttpResponse:
    """What Gesso does, shown with its own components."""
    prices = catalog.current().prices
    example = {"cost": 3 * prices.medium, "four": 4 * prices.medium, "one": prices.medium, "three": 3 * prices.medium}
    return render(request, "public/landing.html", _shared("/") | {"example": example})


@public
def pricing(request: HttpRequest) -> HttpResponse:
    """What credits cost where they are sold, what an image costs by quality and model, and what is free each day."""
    table = catalog.current()
    rows = [_row(model, table.prices) for model in catalog.usable_models()]
    qualities = [("Low", table.prices.low), ("Medium", table.prices.medium), ("High", table.prices.high)]
    context = {
        "rows": rows,
        "qualities": [(name, wording.plural(price, "credit")) for name, price in qualities],
        "shelf": offers.shelf() if offers.sold_here() else None,
    }
    return render(request, "public/pricing.html", _shared("/pricing") | context)


def _shared(path: str) -> dict[str, Any]:
    table = catalog.current()
    daily = table.credits.daily
    return {
        "address": settings.GESSO.base_url + path,
        "share_picture": settings.GESSO.base_url + static("gesso/pictures/court-2.webp"),
        "prices": Prices(low=f"{table.prices.low}", medium=f"{table.prices.medium}", high=f"{table.prices.high}"),
        "low": wording.plural(table.prices.low, "credit"),
        "daily": wording.plural(daily, "free credit") if daily else "",
        "daily_credits": wording.plural(daily, "credit"),
        "most_references": table.limits.references,
    }


def _row(model: catalog.Model, prices: catalog.Prices) -> ModelRow:
    return ModelRow(
        name=model.name,
        note="Draws by program, for trying everything out" if model.provider == "sandbox" else "",
        prices=[
            str(model.price(quality, prices)) if quality in model.qualities else ""
            for quality in ("low", "medium", "high")
        ],
        shapes=", ".join(model.sizes),
        references=f"up to {model.references}" if model.references else "none",
    )


@public
def robots(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 (Django's signature)
    """Say what crawlers may read."""
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}" for path in PRIVATE),
        f"Sitemap: {settings.GESSO.base_url}/sitemap.xml",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@public
def sitemap(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 (Django's signature)
    """List the public pages."""
    urls = "".join(f"<url><loc>{settings.GESSO.base_url}{path}</loc></url>" for path in PAGES)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>\n'
    return HttpResponse(text, content_type="application/xml; charset=utf-8")


@public
def favicon(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 (Django's signature)
    """Send those that ask for the old name to the mark."""
    return HttpResponsePermanentRedirect(static("gesso/mark.svg"))
