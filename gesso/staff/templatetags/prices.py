"""What the first page of the console says about prices."""

from django import template

from gesso.core import catalog
from gesso.staff import margin

register = template.Library()


@register.simple_tag
def prices_below_cost() -> list[str]:
    """Return a sentence for each price that is below cost."""
    return margin.alerts(catalog.current())
