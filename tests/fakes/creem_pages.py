"""The fake Creem's own pages: a checkout with its three buttons, and a portal that shows what is subscribed."""

import html

from tests.fakes.creem_rows import Row
from tests.fakes.creem_shop import Shop

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 3rem auto; padding: 0 1rem; color: #222 }}
.note {{ color: #666 }} button {{ font: inherit; padding: .5rem 1rem; margin-right: .5rem }} [role=status] {{ color: #a00 }}
</style></head><body><main>
<p class="note">A fake Creem for trying things out. No money moves.</p>
<h1>{title}</h1>
{body}
</main></body></html>
"""


def _money(amount: int, currency: str) -> str:
    return f"{amount / 100:.2f} {currency}"


def checkout(shop: Shop, row: Row, said: str) -> bytes:
    """Return the page of a checkout; `said` is what came of the last press."""
    product = shop.products[row["product"]]
    price = _money(product["price"], product["currency"])
    monthly = " each month" if product["billing_type"] == "recurring" else ""
    told = f'<p role="status">{html.escape(said)}</p>' if said else ""
    if row["status"] == "pending":
        buttons = "".join(
            f'<button name="press" value="{value}">{word}</button>'
            for value, word in (("pay", "Pay"), ("fail", "Fail"), ("delay", "Pay later"))
        )
        rest = f'{told}<form method="post">{buttons}</form>'
    else:
        back = html.escape(row["success_url"] or "/")
        rest = f'<p>This checkout is {html.escape(row["status"])}.</p><p><a href="{back}">Back to the seller</a></p>'
    body = f"<p>{html.escape(product['name'])}: {price} plus tax{monthly}</p>{rest}"
    return _FRAME.format(title="Checkout", body=body).encode()


def portal(shop: Shop, customer: str) -> bytes:
    """Return the page of a customer."""
    rows = [row for row in shop.subscriptions.values() if row["customer"] == customer]
    items = "".join(f"<li>{html.escape(row['product']['name'])}: {html.escape(row['status'])}</li>" for row in rows)
    return _FRAME.format(title="Your subscriptions", body=f"<ul>{items or '<li>None</li>'}</ul>").encode()
