"""The server in front of Django: streams and waits cost nothing while they last, and end when they should."""

import contextlib
import email.utils
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx2
import psycopg
import pytest

from gesso.config import bodies, web
from gesso.generations import broadcast
from tests.config import site
from tests.instance import until


class Served:
    """The site of `tests.config.site` in a process of its own."""

    def __init__(self, process, port):
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path, **words):
        return httpx2.get(self.url + path, timeout=10, trust_env=False, **words)

    def post(self, path, **words):
        return httpx2.post(self.url + path, timeout=10, trust_env=False, **words)

    def state(self):
        return self.get("/state").json()

    def answers(self):
        assert self.process.poll() is None
        try:
            return self.get("/echo").status_code == 200
        except httpx2.TransportError:
            return False

    def talk(self, *said: bytes) -> bytes:
        """Say something over a raw socket and return all of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            answer = b""
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # who is refused may be cut off...
                for part in said:
                    connection.sendall(part)
            with contextlib.suppress(ConnectionResetError):  # ...in mid-sentence
                while part := connection.recv(65536):
                    answer += part
            return answer


@contextlib.contextmanager
def serving(data_dir, **variables):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.config.site", str(descriptor)],
            env={**os.environ, "GESSO_DATA_DIR": str(data_dir), **variables}, pass_fds=[descriptor],
        )  # fmt: skip
        served = Served(process, listener.getsockname()[1])
    try:
        until(served.answers, 30, "the site")
        yield served
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served")) as site_process:
        yield site_process


@pytest.fixture
def going_down(tmp_path):
    """A site that the test may stop."""
    with serving(tmp_path) as site_process:
        yield site_process


@contextlib.contextmanager
def open_stream(served, path="/stream"):
    with httpx2.Client(timeout=10, trust_env=False) as client, client.stream("GET", served.url + path) as response:
        yield response, response.iter_lines()


def talking():
    """Connect to the site's database; this process has one of its own."""
    return psycopg.connect(**broadcast.connection_words() | {"dbname": "gesso"})


def announce(kind, generation=""):
    with talking() as connection:
        notice = f'{{"w": "{site.WORKSPACE}", "k": "{kind}", "g": "{generation}"}}'
        connection.execute("SELECT pg_notify(%s, %s)", [broadcast.CHANNEL, notice])


def test_a_page_is_served_in_a_pool_thread(served):
    answer = served.post("/echo", content=b"x" * 60_000)
    assert answer.json()["length"] == 60_000
    assert answer.json()["thread"].startswith("request")
    assert "server" not in answer.headers


def test_a_view_that_fails_is_a_500_and_the_server_goes_on(served):
    assert served.get("/crash").status_code == 500
    assert served.get("/echo").status_code == 200


def test_a_stream_says_what_was_announced(served):
    with open_stream(served) as (response, lines):
        assert response.headers["cache-control"] == "no-store"
        assert next(lines) == "begin"
        announce("generation", "g-1")
        assert next(lines) == "generation g-1"
    until(lambda: served.state()["subscriptions"] == 0, 5, "the stream to be forgotten")


def test_a_notice_that_nobody_understands_is_no_end(served):
    with open_stream(served) as (_, lines):
        assert next(lines) == "begin"
        with talking() as connection:
            for strange in ("not JSON", "[]", "7", "{}"):
                connection.execute("SELECT pg_notify(%s, %s)", [broadcast.CHANNEL, strange])
        announce("generation", "g-2")
        assert next(lines) == "generation g-2"


def test_streams_are_told_when_notices_were_missed_and_hear_the_next_ones(served):
    with open_stream(served) as (_, lines):
        assert next(lines) == "begin"
        with talking() as connection:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
            assert connection.execute(cut, [f"site {served.process.pid} notices"]).fetchall() == [(True,)]
        assert next(lines) == "resync "
        announce("generation", "g-3")
        assert next(lines) == "generation g-3"


def test_the_date_of_answers_goes_on(served):
    def date():
        return email.utils.parsedate_to_datetime(served.get("/echo").headers["date"])

    before = date()
    time.sleep(2.1)  # a date may be a second old
    assert date() > before


def test_many_open_streams_hold_no_thread_and_no_connection(served):
    with contextlib.ExitStack() as streams:
        opened = [streams.enter_context(open_stream(served)) for _ in range(30)]
        for _, lines in opened:
            assert next(lines) == "begin"
        state = served.state()
        assert state["subscriptions"] == 30
        assert state["connections"] <= 4  # one for each thread, however many streams
    until(lambda: served.state()["subscriptions"] == 0, 5, "the streams to be forgotten")


def test_a_wait_ends_with_what_finish_says_and_the_placeholders_headers(served):
    answer = served.get("/later?seconds=0.2")
    assert (answer.status_code, answer.text) == (201, "done")
    assert answer.headers["x-own"] == "finish"
    assert answer.headers["x-request-id"] == "r-1"
    assert answer.cookies["seen"] == "yes"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_wait_whose_last_step_fails_is_a_500(served):
    assert served.get("/later?seconds=0&fail=1").status_code == 500


def test_a_wait_that_fails_is_answered_by_its_last_step(served):
    answer = served.get("/later?seconds=unknown")
    assert (answer.status_code, answer.text) == (201, "done")


def test_more_waits_than_threads_leave_room_for_pages(served):
    waiting = [threading.Thread(target=served.get, args=("/later?seconds=8",)) for _ in range(12)]
    for thread in waiting:
        thread.start()
    assert served.get("/echo").status_code == 200
    assert all(thread.is_alive() for thread in waiting)
    for thread in waiting:
        thread.join()


def test_a_client_that_hangs_up_ends_its_wait(served):
    before = served.state()["canceled_waits"]
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.get(served.url + "/later?seconds=60", timeout=httpx2.Timeout(10, read=1.5), trust_env=False)
    until(lambda: served.state()["canceled_waits"] == before + 1, 5, "the wait to end")


def test_a_synchronous_stream_arrives_whole(served):
    assert served.get("/archive").text == "".join(f"{number}\n" for number in range(1000))


def test_a_file_is_closed_when_the_client_hangs_up(served):
    before = served.state()["closed_files"]
    with open_stream(served, "/file") as (response, _):
        next(response.iter_bytes(1000))
    until(lambda: served.state()["closed_files"] == before + 1, 5, "the file to be closed")


def test_a_long_anonymous_body_is_refused_before_it_is_read(served):
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bodies.ANONYMOUS_BYTES + 1}\r\n\r\n"
    answer = served.talk(head.encode())  # not a byte of the body
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"request_too_large"' in answer


def test_a_body_that_is_refused_is_neither_kept_nor_guessed_at(served):
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bodies.ANONYMOUS_BYTES + 1}\r\n\r\n"
    lines = served.talk(head.encode()).lower().split(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"cache-control: no-store" in lines
    assert b"x-content-type-options: nosniff" in lines
    assert b"content-security-policy: default-src 'none'" in lines


def test_an_anonymous_body_of_unknown_length_is_cut_off(served):
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert served.talk(head, chunk, chunk, chunk, b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_an_upload_that_stalls_is_told_so_and_its_connection_closed(tmp_path):
    with serving(tmp_path, IDLE_SECONDS="0.5") as impatient:
        head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
        answer = impatient.talk(head, b"x" * 999)  # `talk` returns when the connection is closed
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_stalled"' in answer
    assert b"Please send it again." in answer


@pytest.mark.parametrize("credential", [{"Authorization": "Bearer good"}, {"Cookie": "gesso-8000=good"}])
def test_whoever_has_a_good_credential_may_send_what_the_catalogue_allows(served, credential):
    assert served.post("/echo", content=b"x" * 2_000_000, headers=credential).json()["length"] == 2_000_000
    head = "".join(f"{name}: {value}\r\n" for name, value in credential.items())
    answer = served.talk(f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 61000001\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("credential", ["Authorization: Bearer x", "Authorization: x", "Cookie: gesso-8000=x"])
def test_who_makes_a_credential_up_may_send_what_a_stranger_may(served, credential):
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{credential}\r\n"
    announced = served.talk(f"{head}Content-Length: {bodies.ANONYMOUS_BYTES + 1}\r\n\r\n".encode())
    assert announced.startswith(b"HTTP/1.1 401 ")
    assert f"{bodies.ANONYMOUS_BYTES:,} bytes".encode() in announced
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    answer = served.talk(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), chunk, chunk, chunk, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("charset", ["punycode", "base64", "idna", "utf-16", "undefined", "latin-1"])
def test_text_in_another_encoding_is_refused_before_anybody_decodes_it(served, charset):
    def post(words):
        return served.post("/echo", content=b"x", headers={"Content-Type": f"multipart/form-data; boundary=b; {words}"})

    refused = post(f'charset="{charset.upper()}"')
    assert (refused.status_code, refused.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert post("charset=UTF-8").status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        ['multipart/form-data; boundary=b; a="', '"; charset=punycode'],  # Django joins them by a comma
        ["text/plain", "text/plain"],
        ["text/plain; a*=foo''b"],
        ["text/plain;boundary*0*;boundary*"],
        ['text/plain; a="' + ";" * 60_000],
    ],
    ids=["a charset across two", "two", "a parameter nobody can read", "one in strange pieces", "a long one"],
)
def test_a_strange_content_type_is_refused_at_once(served, lines):
    head = "".join(f"Content-Type: {line}\r\n" for line in lines)
    answer = served.talk(f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 1\r\n\r\nx".encode())
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b'"code":"unsupported_media_type"' in answer


@pytest.mark.parametrize(("words", "status"), [("", 200), ("; boundary*0*; boundary*", 400)])
def test_a_part_of_a_form_with_strange_parameters_is_no_fault_of_ours(served, words, status):
    body = f'--b\r\nContent-Disposition: form-data; name="x"{words}\r\n\r\n1\r\n--b--\r\n'
    answer = served.post("/fields", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status_code == status


def test_a_credential_is_looked_at_for_large_bodies_alone(served):
    before = served.state()["credentials_looked_at"]
    signed = {"Authorization": "Bearer good"}
    assert served.post("/echo", content=b"x" * bodies.ANONYMOUS_BYTES, headers=signed).status_code == 200
    assert served.post("/echo", content=b"x" * (bodies.ANONYMOUS_BYTES + 1)).status_code == 413
    assert served.state()["credentials_looked_at"] == before
    assert served.post("/echo", content=(b"x" * 50_000 for _ in range(9)), headers=signed).json()["length"] == 450_000
    assert served.state()["credentials_looked_at"] == before + 1


def test_a_credential_that_can_not_be_looked_at_is_a_503(served):
    head = (
        b"POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer unknowable\r\nContent-Length: 100000\r\n\r\n"
    )
    answer = served.talk(head)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"database_unavailable"' in answer


def test_endless_headers_are_refused(served):
    answer = served.talk(b"GET /echo HTTP/1.1\r\nHost: localhost\r\n", b"X-Long: " + b"x" * 100_000, b"\r\n\r\n")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert served.get("/echo").status_code == 200


@pytest.mark.parametrize(
    "trailers",
    [b"X: " + b"x" * 100 + b"\r\n", b"X: " + b"x" * 70_000 + b"\r\n", b"x" * 100],
    ids=["many lines", "long lines", "one line without end"],
)
def test_endless_trailers_are_refused(served, trailers):
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    answer = served.talk(head, trailers * (1_000_000 // len(trailers)))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert served.get("/echo").status_code == 200


def test_trailers_are_dropped(served):
    head = b"POST /headers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = served.talk(head, b"1\r\nx\r\n0\r\n", b"X-Late: 1\r\n", b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"host" in answer
    assert b"x-late" not in answer


@pytest.mark.parametrize("size", [60_000, 70_000])
def test_large_headers_are_taken_up_to_the_bound(served, size):
    status = served.get("/echo", headers={"x-large": "a" * size}).status_code
    assert status == (200 if size < web.HEADER_BYTES else 400)


def test_many_requests_and_large_bodies_on_one_connection_are_not_counted_as_headers(served):
    with httpx2.Client(base_url=served.url, trust_env=False, headers={"x-large": "a" * 20_000}) as client:
        for _ in range(8):
            assert client.get("/echo").status_code == 200
            signed = {"authorization": "Bearer good"}
            assert client.post("/echo", content=b"b" * 900_000, headers=signed).status_code in {200, 405}


def test_on_sigterm_streams_and_waits_end_with_an_answer_and_the_process_with_0(going_down):
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(going_down.get("/later?seconds=60")))
    waiting.start()
    with open_stream(going_down) as (_, lines):
        assert next(lines) == "begin"
        until(lambda: going_down.state()["waits"] == 1, 10, "the wait to be under way too")
        going_down.process.send_signal(signal.SIGTERM)
        assert list(lines) == ["end"]  # a proper last chunk: otherwise the client raises
        waiting.join(30)
    (answer,) = answers
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "restarting"
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["x-request-id"] == "r-1"
    assert going_down.process.wait(5) == 0
