"""How staff see rows: read-only lists and pages, found by email or by any id, linked to each other.

Invariant: nothing registered here can be added, changed or deleted, whoever asks. Lists join what they show, so that
their number of queries does not grow with their rows.
"""

import datetime
import re
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG, SEARCH_VAR
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Any, Any]
else:
    _Admin, _Inline = admin.ModelAdmin, admin.TabularInline

NOTHING = "–"  # noqa: RUF001 (a dash, as the admin shows it)
LINE = 40  # characters of a cell that stay in one line
FIGURE, LONG = SafeString(' class="figure"'), SafeString(' class="long"')
SHORTEST = 4  # hex digits that are taken for the beginning of an id
_HEX = re.compile(rf"[0-9a-f]{{{SHORTEST},32}}")


class _Seen:
    """Everybody who came through the door may look, nobody may write."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 (the admin's)
        """Whether these rows may be seen: the site has let staff only in."""
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 (the admin's)
        """Whether the rows are on the first page."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 (the admin's)
        """Nobody adds rows here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 (the admin's)
        """Nobody changes rows here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 (the admin's)
        """Nobody deletes rows here."""
        return False


class Records(_Seen, _Admin):
    """A kind of row. `emails`, `uuids`, `numbers` and `texts` name the columns in which a search looks."""

    emails: ClassVar[tuple[str, ...]] = ()
    uuids: ClassVar[tuple[str, ...]] = ()
    numbers: ClassVar[tuple[str, ...]] = ()
    texts: ClassVar[tuple[str, ...]] = ()  # compared from the beginning
    many: ClassVar[bool] = False  # whether a search may meet a row twice

    actions = None
    search_fields = ("id",)  # shows the field; where it looks is said above
    search_help_text = "An email address, or any id or the beginning of one"
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, headed by what it lists; without its filters where one is nothing that Postgres can compare.

        The search's own form refuses such a text.
        """
        if any("\0" in value for name, values in request.GET.lists() if name != SEARCH_VAR for value in values):
            return redirect(f"{request.path}?{ERROR_FLAG}=1")  # the admin's answer to a filter that makes no sense
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, title | (extra_context or {}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every field: what is not read-only here does not exist."""
        return self.get_fields(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that `search_term` names; what names nothing finds nothing."""
        del request
        text = search_term.strip()
        return (queryset.filter(self._named(text)), self.many) if text else (queryset, False)

    def _named(self, text: str) -> Q:
        found = Q(pk__in=())
        for column in self.emails:
            found |= Q(**{f"{column}__icontains": text})
        for column in self.texts:
            found |= Q(**{f"{column}__startswith": text})
        digits = text.lower().replace("-", "")
        if _HEX.fullmatch(digits):
            first, last = _uuid(digits.ljust(32, "0")), _uuid(digits.ljust(32, "f"))
            for column in self.uuids:
                found |= Q(**{f"{column}__gte": first, f"{column}__lte": last})
        if text.isascii() and text.isdigit() and len(text) <= 18:
            for column in self.numbers:
                found |= Q(**{column: int(text)})
        return found


class Lines(_Seen, _Inline):
    """Rows that are shown on the page of the row they belong to."""

    extra = 0
    max_num = 0
    can_delete = False
    template = "staff/lines.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every field."""
        return self.get_fields(request, obj)


def link(row: Model | None, words: str = "") -> SafeString | str:
    """Return a link to the row's page; a dash for none."""
    if row is None:
        return NOTHING
    address = reverse(f"staff:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])  # noqa: SLF001 (Django's public name for it)
    return format_html('<a href="{}">{}</a>', address, words or str(row))


def rows_of(model: type[Model], column: str, value: object, words: str) -> SafeString:
    """Return a link to the list of `model` where `column` is `value`."""
    address = reverse(f"staff:{model._meta.app_label}_{model._meta.model_name}_changelist")  # noqa: SLF001 (Django's public name for it)
    return format_html('<a href="{}?{}={}">{}</a>', address, column, value, words)


def table(heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> SafeString | str:
    """Return a small table; a dash when it is empty. Every cell is escaped unless it is markup of ours.

    It scrolls in a frame of its own where it is too wide.
    """
    if not rows:
        return NOTHING
    cells = ((format_html_join("", "<td{}>{}</td>", (_cell(cell) for cell in row)),) for row in rows)
    body = format_html_join("", "<tr>{}</tr>", cells)
    kinds = (_cell(cell)[0] for cell in rows[0])
    head = format_html_join("", '<th scope="col"{}>{}</th>', zip(kinds, heads, strict=True))
    return format_html(
        '<div class="console-rows" tabindex="0" role="group" aria-label="{}">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        f"Table: {', '.join(heads)}", head, body,
    )  # fmt: skip


class Mode(admin.SimpleListFilter):
    """Whether it is about real money, as a choice beside a list of rows that are `live` or not."""

    title = "mode"
    parameter_name = "mode"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 (the admin's)
        """Return the choices."""
        return [("live", "Live"), ("test", "Test")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 (the admin's)
        """Return the rows of the chosen mode."""
        chosen = {"live": Q(live=True), "test": Q(live=False)}
        return queryset.filter(chosen.get(self.value() or "", Q()))


def mode(row: Any) -> str:
    """Return whether a row is about real money."""
    return "live" if row.live else "test"


def moment(at: datetime.datetime) -> str:
    """Return a time to the second, in this install's timezone."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


def _cell(value: object) -> tuple[str, object]:
    """Return a cell's class and words: what is long may take several lines, a figure stands at the right."""
    if isinstance(value, datetime.datetime):
        return "", moment(value)
    if isinstance(value, int):
        return FIGURE, f"{value:,}"
    return LONG if isinstance(value, str) and not isinstance(value, SafeString) and len(value) > LINE else "", value


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
