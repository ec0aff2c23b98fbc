"""What people type into one line."""

import unicodedata


def plain(text: str) -> str:
    """Return `text` without control characters and halves of letters: Postgres refuses some, and nobody sees any."""
    return "".join(letter for letter in text if unicodedata.category(letter) not in {"Cc", "Cs"})
