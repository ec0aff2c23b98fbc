"""Sending mail off the request: one thread of its own, so that a slow mail server holds nobody up.

Codes and links in mail live for minutes, so a message that is lost with the process is asked for again; it is not kept
in a queue, where a secret would lie in a table. A failure is logged with the address, never with the text.
"""

import concurrent.futures

import structlog
from django.core.mail import EmailMessage

log = structlog.get_logger()
_sender = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail")


def send_soon(message: EmailMessage) -> concurrent.futures.Future[None]:
    """Send the message from the mail thread; returns at once."""
    return _sender.submit(_send, message)


def _send(message: EmailMessage) -> None:
    try:
        message.send()
    except OSError as problem:  # the server is away, refuses or times out; SMTPException is an OSError
        log.exception("mail was not sent", to=message.to, problem=type(problem).__name__)
