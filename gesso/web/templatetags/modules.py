"""The tag that puts a page's script bundle into its template."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gesso.web import scripts

register = template.Library()


@register.simple_tag
def modules(name: str) -> SafeString:
    """Return the script element of bundle `name`; pages are right without it, so styles and pictures come first."""
    return format_html('<script type="module" fetchpriority="low" src="{}"></script>', scripts.address(name))
