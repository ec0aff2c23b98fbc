"""Credits: what is left by source, what is held, and the statement, each line linked to its generation.

Buying, plans and charts are not here. Amounts are read from the ledger, never computed from something else.
"""

import dataclasses
import datetime
import uuid

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from gesso.core import catalog
from gesso.credits import allowances, queries
from gesso.web import access, wording

METER_WIDTH = 1000  # units of the meter's drawing


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What `_balance.html` places beside the word credits."""

    available_credits: int
    available: str
    daily: str
    other: str
