"""Money in words: signs and digits of currencies, and exact figures from millionths.

Amounts are whole millionths of a currency here; what is paid and refunded is kept in its smallest unit (cents).
"""

from gesso.core import costs

SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "krw": "₩", "ils": "₪", "vnd": "₫", "ngn": "₦"}
# How many digits of a currency's smallest unit stand after the point, where these are not two (ISO 4217).
DIGITS = dict.fromkeys(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"), 0
) | dict.fromkeys(("bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"), 3)
MINUS = "−"  # noqa: RUF001 (the sign, as wide as a figure)
FINE = 4  # digits after the point of what one image costs


def unit(currency: str) -> int:
    """Return how many millionths one smallest unit of the currency is: 10,000 for a cent."""
    digits: int = 6 - DIGITS.get(currency, 2)
    return int(10**digits)


def words(amount: int, currency: str, *, fine: bool = False) -> str:
    """Return `$1,234.50`: `amount` in millionths, rounded half up to the smallest unit (`fine`: four digits)."""
    digits = FINE if fine else DIGITS.get(currency, 2)
    whole, rest = divmod(costs.rounded(abs(amount), 10 ** (6 - digits)), 10**digits)
    figure = f"{whole:,}.{rest:0{digits}}" if digits else f"{whole:,}"
    minus = MINUS if amount < 0 and (whole or rest) else ""
    return f"{minus}{SIGNS.get(currency, currency.upper() + ' ')}{figure}"


def paid(amount: int, currency: str) -> str:
    """Return `$1,234.50`: `amount` in the currency's smallest unit."""
    return words(amount * unit(currency), currency)


def exact(amount: int) -> str:
    """Return `-0.052680`: every millionth, as a file wants it."""
    whole, rest = divmod(abs(amount), costs.MILLION)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:06}"
