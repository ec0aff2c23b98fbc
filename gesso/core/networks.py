"""Networks: where the request in hand comes from, as coarse as is enough to tell one home or office from the next.

Invariant: an address is never stored. What is kept is `digest`, keyed with this instance's secret and with what it is
for, so that nobody can turn it back into a network, nor follow a network from one day to the next.
"""

import contextlib
import contextvars
import ipaddress
from collections.abc import Callable, Iterator

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac

PREFIXES = {4: 24, 6: 64}  # bits that name a network: what one household or one rented server is given at least

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_address: contextvars.ContextVar[str] = contextvars.ContextVar("client_address", default="")


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Remember the client's address while its request is answered.

    The server has put it there: the peer's own, or what a peer among GESSO_TRUSTED_PROXIES says (`config.web`).
    """

    def remember(request: HttpRequest) -> HttpResponseBase:
        with coming_from(request.META.get("REMOTE_ADDR", "")):
            return get_response(request)

    return remember


@contextlib.contextmanager
def coming_from(address: str) -> Iterator[None]:
    """Let what is done inside be done for a client at `address`."""
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)


def current() -> str:
    """Return the network of the request in hand, such as 203.0.113.0/24; empty outside of requests."""
    return of(_address.get())


def current_public() -> str:
    """Return the network of the request in hand if it is one of the internet's; empty for loopback, a LAN, a VPN."""
    found = _parsed(_address.get())
    return _network(found) if found and found.is_global else ""


def of(address: str) -> str:
    """Return the network of an address; empty for what is no address. IPv4 inside IPv6 counts as the IPv4 it is."""
    found = _parsed(address)
    return _network(found) if found else ""


def _parsed(address: str) -> Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        # With 6to4 and Teredo one IPv4 address has thousands of /64 of its own.
        return found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else found)
    return found


def _network(address: Address) -> str:
    return str(ipaddress.ip_network((address, PREFIXES[address.version]), strict=False))


def digest(purpose: str, value: str) -> bytes:
    """Return 32 bytes that stand for `value` (a network, an address of mail) for one `purpose`, such as one day's."""
    return salted_hmac(f"gesso.{purpose}", value, algorithm="sha256").digest()
