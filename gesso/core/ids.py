"""Identifiers: UUID version 7 (RFC 9562, section 5.7), so that ids sort by the time they were made.

Pages and API clients may make a generation's id themselves; `is_fresh` says whether such an id may be accepted.
"""

import secrets
import time
import uuid


def uuid7() -> uuid.UUID:
    """Return a new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | (random & (1 << 62) - 1)
    return uuid.UUID(int=value)


def parse(text: str) -> uuid.UUID | None:
    """Return the UUID that `text` spells in its canonical form, or None: ids are compared, never guessed at."""
    try:
        value = uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None
    return value if str(value) == text.lower() else None
