"""The parameters that lists share, and the refusal of parameters that a list doesn't have."""

from typing import Annotated

import pydantic
from django.http import HttpRequest

from gesso.api.refusals import Refusal

# Postgres takes no NUL in text, and nobody searches for control characters.
Words = Annotated[str, pydantic.Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Cursor = Annotated[str, pydantic.Field(max_length=200)]
Limit = Annotated[int, pydantic.Field(ge=1, le=100)]


def only(request: HttpRequest, known: type[pydantic.BaseModel]) -> None:
    """Refuse a parameter that is none, so that nobody believes that a misspelt filter narrowed the list."""
    for name in sorted(request.GET.keys() - known.model_fields.keys()):
        raise Refusal(400, "unknown_field", f"{name[:60]} is not a parameter of this list.", field=name[:60])
