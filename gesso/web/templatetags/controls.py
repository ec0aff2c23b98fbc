"""Tags that put what allauth says and asks into our own dress: its fields, its headings, its sessions."""

import re

from django import forms, template
from django.utils.safestring import SafeString

register = template.Library()

# What a User-Agent header contains, the most telling part first, and what people call it.
BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip


@register.simple_tag
def control(field: forms.BoundField) -> SafeString:
    """Return the input of `field` with our class; a placeholder that only repeats the label is left out.

    In a refused form focus begins at what is wrong: the sentence above the fields, or else the first wrong field.
    """
    ours = "check" if isinstance(field.field.widget, forms.CheckboxInput) else "input"
    field.field.widget.attrs.pop("placeholder", None)
    attributes: dict[str, str | bool] = {"class": ours}
    if field.form.errors:
        wrong = [] if field.form.non_field_errors() else [each for each in field.form.visible_fields() if each.errors]
        attributes["autofocus"] = bool(wrong) and wrong[0].name == field.name
    return field.as_widget(attrs=attributes)


@register.filter
def plainly(words: str) -> str:
    """Return a heading in sentence case: only its first word begins large. Words all in capitals stay."""
    first, *rest = re.split(r"(?<=\W)", str(words).strip())
    return "".join([first, *(word.lower() if re.fullmatch(r"[A-Z][a-z]+\W?", word) else word for word in rest)])


@register.filter
def browser_name(agent: str) -> str:
    """Return what a User-Agent header calls itself, short: "Firefox on Linux"."""
    browser = next((name for part, name in BROWSERS if part in agent), "")
    system = next((name for part, name in SYSTEMS if part in agent), "")
    return " on ".join(filter(None, (browser, system))) or agent[:40] or "Unknown browser"
