"""A piece of a page for a script that asked for it, marked so that nothing else is mistaken for one.

A script places an answer only when the mark is there: an error page or the sign-in page never lands inside a page.
"""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

MARK = "X-Fragment"


def draw(request: HttpRequest, template: str, context: Mapping[str, object], *, status: int = 200) -> HttpResponse:
    """Return `template` drawn, with the mark."""
    return mark(render(request, template, dict(context), status=status))


def mark(response: HttpResponse) -> HttpResponse:
    """Return `response`, whose content is a fragment, with the mark."""
    response[MARK] = "1"
    return response
