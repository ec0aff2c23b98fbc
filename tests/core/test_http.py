"""The transport below every outbound call: what it sends, what it hears, and how it says that something went wrong."""

import asyncio
import contextlib
import datetime
import gzip
import ipaddress
import pathlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gesso.core import http
from tests import instance

Handler = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, greeting: bytes = b"", tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server on loopback that hands each request's head to `handler`; yields its address and the heads so far."""
    heads: list[bytes] = []
    tasks: list[asyncio.Task[None]] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(greeting)
            while not writer.is_closing():
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                await handler(heads[-1], reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side has had enough
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(one(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", heads
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # what was closed goes at the loop's next turns


def answer(body: bytes, *lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


def client(address: str) -> httpx2.AsyncClient:
    return http.client(base_url=address, headers={"X-Ours": "yes"}, read_seconds=5)


def test_a_call_and_the_next_share_a_connection_and_say_what_they_must() -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(gzip.compress(b"pears" * 1000), "Content-Encoding: gzip", "X-Two: 1", "X-Two: 2"))
        peers.add(writer.get_extra_info("peername"))

    peers: set[object] = set()

    async def run() -> None:
        async with serving(handle) as (address, heads), client(address) as made:
            for _ in range(3):
                got = await made.get("/things?a=1%20b")
                assert got.content == b"pears" * 1000
                assert got.headers.get_list("x-two") == ["1", "2"]
            assert heads[0].startswith(b"GET /things?a=1%20b HTTP/1.1\r\n")
            assert heads[0].lower().count(b"\r\nhost:") == heads[0].lower().count(b"\r\naccept-encoding:") == 1
            assert b"\r\nx-ours: yes\r\n" in heads[0].lower()
        assert len(peers) == 1

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_a_form_with_files_is_sent_with_its_length(size: int) -> None:
    got: list[bytes] = []

    async def handle(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        got.append(await reader.readexactly(length))
        writer.write(answer(b"ok"))

    async def run() -> None:
        async with serving(handle) as (address, heads), client(address) as made:
            await made.post(
                "/edits", data={"prompt": "a pear"}, files=[("image", ("a.png", b"\x89" * size, "image/png"))]
            )
            assert b"transfer-encoding" not in heads[0].lower()

    asyncio.run(run())
    assert got[0].count(b"\x89") == size


def test_what_is_not_read_to_its_end_is_not_used_again() -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername"))
        writer.write(answer(b"x" * 2_000_000))

    peers: list[object] = []

    async def run() -> None:
        async with serving(handle) as (address, _), client(address) as made:
            async with made.stream("GET", "/large"):
                pass
            assert len((await made.get("/large")).content) == 2_000_000

    asyncio.run(run())
    assert len(set(peers)) == 2


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"once"))
        await writer.drain()
        writer.close()

    async def run() -> None:
        async with serving(handle) as (address, heads), client(address) as made:
            for _ in range(2):
                assert (await made.post("/x", content=b"a")).content == b"once"
                await asyncio.sleep(0.05)
            assert len(heads) == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", httpx2.RemoteProtocolError),
        (b"not http at all\r\n\r\n", httpx2.RemoteProtocolError),
    ],
    ids=["nothing", "half", "half a chunk", "garbage"],
)
def test_what_may_have_left_is_never_called_a_failed_connection(said: bytes, error: type[Exception]) -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async def run() -> None:
        async with serving(handle) as (address, heads), client(address) as made:
            with pytest.raises(error):
                await made.post("/x", content=b"a")
            assert len(heads) == 1  # a POST is never sent again by itself

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (b"", b"a"),
        (b"", b"a" * 30_000_000),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno number\r\n", b"a"),
    ],
    ids=["before the answer", "while it is sent", "in the middle", "after a broken chunk"],
)
def test_silence_ends(said: bytes, sent: bytes) -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await asyncio.sleep(60)

    async def run() -> None:
        async with serving(handle) as (address, _), client(address) as made:
            with pytest.raises((httpx2.ReadTimeout, httpx2.RemoteProtocolError)):
                async with asyncio.timeout(30):
                    await made.post("/x", content=sent, timeout=httpx2.Timeout(0.3, connect=1))

    asyncio.run(run())


def test_a_proxy_that_says_nothing_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(_head: bytes, _reader: object, _writer: object) -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        async with serving(handle) as (proxy, _), client("https://pears.invalid") as made:
            monkeypatch.setenv("https_proxy", proxy)
            with pytest.raises(httpx2.ConnectTimeout):
                await made.post("/x", content=b"a", timeout=httpx2.Timeout(20, connect=0.3))

    asyncio.run(run())


def test_a_wordy_answer_is_an_answer() -> None:
    words = b"".join(b"X-%d: y\r\n" % number for number in range(140))
    policy = b"Content-Security-Policy: " + b"p" * 9000 + b"\r\n"

    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Tr\xe8s bien\r\nContent-Length: 2\r\n" + policy + words + b"\r\nok")

    async def run() -> None:
        async with serving(handle) as (address, _), client(address) as made:
            got = await made.post("/x", content=b"a")
            assert (got.status_code, got.content, got.headers["x-139"]) == (200, b"ok", "y")

    asyncio.run(run())


def test_a_name_and_a_password_in_an_address_are_sent() -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"ok"))

    async def run() -> None:
        async with serving(handle) as (address, heads):
            async with client(address.replace("//", "//pear:tree@")) as made:
                assert (await made.post("/x", content=b"a")).content == b"ok"
            assert b"Basic cGVhcjp0cmVl" in heads[0]

    asyncio.run(run())


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}", "http://nobody.invalid"], ids=["port", "name"])
def test_what_never_left_is_a_failed_connection(address: str) -> None:
    async def run() -> None:
        async with client(address.format(port=instance.free_port())) as made:
            with pytest.raises(httpx2.ConnectError):
                await made.post("/x", content=b"a")

    asyncio.run(run())


def test_a_server_without_tls_is_a_failed_connection() -> None:
    async def handle(*_: object) -> None:
        raise AssertionError("nothing was asked")

    async def run() -> None:
        plain = serving(handle, b"220 plain text where TLS is expected\r\n")
        async with plain as (address, heads), client(address.replace("http:", "https:")) as made:
            with pytest.raises(httpx2.ConnectError):
                await made.post("/x", content=b"a")
        assert heads == []

    asyncio.run(run())


def test_the_proxy_of_the_environment_is_used_except_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(answer(b"through the proxy"))

    async def run() -> None:
        async with serving(handle) as (proxy, heads), client("http://pears.invalid") as made:
            monkeypatch.setenv("http_proxy", proxy)
            monkeypatch.setenv("https_proxy", proxy)
            monkeypatch.setenv("no_proxy", "direct.invalid")
            assert (await made.post("/x", content=b"")).content == b"through the proxy"
            assert heads[0].startswith(b"POST http://pears.invalid/x ")
            with pytest.raises(httpx2.ConnectError):  # no way through: surely never left
                await made.post("https://pears.invalid/x", content=b"a")
            with pytest.raises(httpx2.ConnectError):
                await made.post("http://direct.invalid/x", content=b"a")
            with pytest.raises(httpx2.ConnectError):
                await made.post(f"http://127.0.0.1:{instance.free_port()}/x", content=b"a")
            assert len(heads) == 2

    asyncio.run(run())


def test_a_proxy_for_everything_and_without_a_scheme_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"through the proxy"))

    async def run() -> None:
        async with serving(handle) as (proxy, _), client("http://pears.invalid") as made:
            monkeypatch.setenv("all_proxy", proxy.removeprefix("http://"))
            assert (await made.post("/x", content=b"")).content == b"through the proxy"

    asyncio.run(run())


@pytest.fixture
def certified(tmp_path: pathlib.Path) -> tuple[ssl.SSLContext, pathlib.Path]:
    """A server's TLS for 127.0.0.1, and the file that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pears")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(
        issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(hours=1), not_valid_after=now + datetime.timedelta(hours=1),
    )  # fmt: skip
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    certificate = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "certificate.pem").write_bytes(pem)
    (tmp_path / "both.pem").write_bytes(pem + secret)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "both.pem")
    return tls, tmp_path / "certificate.pem"


def test_only_a_server_that_somebody_vouches_for_is_spoken_to(
    certified: tuple[ssl.SSLContext, pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(_head: bytes, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"x" * 3_000_000))

    tls, vouching = certified

    async def run() -> None:
        async with serving(handle, tls=tls) as (address, heads):
            async with client(address) as made:
                with pytest.raises(httpx2.ConnectError, match="certificate"):
                    await made.post("/x", content=b"a")
            assert heads == []
            monkeypatch.setenv("SSL_CERT_FILE", str(vouching))
            async with client(address) as made:
                assert len((await made.post("/x", content=b"a")).content) == 3_000_000

    asyncio.run(run())
