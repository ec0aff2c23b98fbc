"""The log: a line of JSON for each record on standard error, ours and the libraries' alike.

Invariant: a traceback there is a fault of ours. What a client did wrong is told without one.
"""

import logging
import sys
from typing import Any

import structlog

_FIRST: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_LAST: list[structlog.types.Processor] = [
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
]


def _blameless(_logger: Any, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Drop the traceback where Django tells of a 4xx: by its security loggers, also at ERROR, or below ERROR."""
    record: logging.LogRecord = event["_record"]
    security = record.name.startswith("django.security")
    if security or (record.name == "django.request" and record.levelno < logging.ERROR):
        event.pop("exc_info", None)
    return event


def configure() -> None:
    """Write our own records."""
    structlog.configure(processors=[*_FIRST, *_LAST], logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))


# How Django sets up what is logged through the standard library.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": [*_FIRST, structlog.stdlib.add_logger_name, _blameless],
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_LAST],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
