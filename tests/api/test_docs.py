"""docs/api.md names every code that the tables of the API know, so that nobody meets one that is not explained."""

import pathlib
import re

from gesso.api import compat_errors, compat_request, refusals

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "api.md"


def test_every_code_of_the_tables_is_explained():
    explained = set(re.findall(r"`([a-z_]+)`", DOCUMENT.read_text().partition("## Errors")[2]))
    codes = {row.code for row in refusals.TABLE.values()} | compat_errors.STATUSES.keys()
    codes |= {f"{name}_unsupported" for name in {*compat_request._ONLY, *compat_request._UNSUPPORTED}}
    codes |= {refusals.NOT_FOUND.code, refusals.INTERNAL.code}
    assert codes <= explained


def test_every_code_that_the_door_writes_itself_is_explained():
    written = "\n".join(path.read_text() for path in pathlib.Path(refusals.__file__).parent.glob("*.py"))
    codes = set(re.findall(r"(?:Refusal|Told)\(\s*\d{3}, \"([a-z_]+)\"", written))
    assert len(codes) > 15
    assert {code for code in codes if f"`{code}`" not in DOCUMENT.read_text()} == {"refused"} & codes
