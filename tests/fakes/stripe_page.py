"""The pages that the fake Stripe hosts: a checkout with its buttons, and a portal. No script, no style but a little."""

import html

from tests.fakes.stripe_book import Thing

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>{title}</title><style>body{{font:16px system-ui;max-width:26rem;margin:4rem auto;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1rem;margin:0 .5rem .5rem 0}}</style>
<main><h1>{title}</h1>{body}</main></html>"""


def checkout(session: Thing, said: str = "") -> str:
    """Return a checkout's page; `said` is what happened on it before."""
    name = html.escape(session["_name"])
    if session["status"] != "open":
        return _PAGE.format(title="Fake Stripe checkout", body=f"<p>This checkout is {session['status']}.</p>")
    amount = f"{session['amount_total'] / 100:,.2f} {session['currency'].upper()}"
    tax = session["total_details"]["amount_tax"]
    words = f", {tax / 100:,.2f} of it tax" if tax else ""
    buttons = "".join(
        f'<button name="press" value="{value}">{label}</button>'
        for value, label in (("pay", "Pay"), ("fail", "Fail"), ("delay", "Delay"))
    )
    back = html.escape(session["cancel_url"] or session["success_url"])
    body = (
        f"<p>{name}: {amount}{words}. No money moves here.</p><p role='status'>{html.escape(said)}</p>"
        f'<form method="post">{buttons}</form><p><a href="{back}">Back to the shop</a></p>'
    )
    return _PAGE.format(title="Fake Stripe checkout", body=body)


def portal(session: Thing) -> str:
    """Return the page where a customer would change the card."""
    back = html.escape(session["return_url"] or "/")
    body = f'<p>Customer {session["customer"]}.</p><p><a href="{back}">Back to the shop</a></p>'
    return _PAGE.format(title="Fake Stripe portal", body=body)
