"""What a password may be, beyond Django's own rules: long texts are refused before they cost a hash."""

from django.core.exceptions import ValidationError

SHORTEST, LONGEST = 10, 256  # characters
RULE = f"At least {SHORTEST} characters."  # what to know before one chooses


class NotTooLong:
    """Refuse what is longer than 256 characters. Nothing is cut off silently."""

    def validate(self, password: str, user: object = None) -> None:  # noqa: ARG002 (Django's signature)
        """Raise ValidationError for a password that is too long."""
        if len(password) > LONGEST:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        """Return the rule as a sentence."""
        return f"A password has at most {LONGEST} characters."
