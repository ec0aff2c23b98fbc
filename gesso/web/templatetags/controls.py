"""The tag that draws a form's field in our own dress, for our forms and allauth's."""

from django import forms, template
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def control(field: forms.BoundField) -> SafeString:
    """Return the input of `field` with our class; a placeholder that only repeats the label is left out."""
    ours = "check" if isinstance(field.field.widget, forms.CheckboxInput) else "input"
    field.field.widget.attrs.pop("placeholder", None)
    return field.as_widget(attrs={"class": ours})
