"""What the first page of the console says about gateways."""

from django import template

from gesso.staff import reports

register = template.Library()


@register.simple_tag
def money_alerts() -> list[tuple[str, str]]:
    """Return a sentence and an address for each thing about money that somebody should look at."""
    return reports.alerts()
