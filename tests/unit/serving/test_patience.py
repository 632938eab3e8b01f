"""Clients that are slow, silent or gone do not hold up others."""

import re
import select
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from condetr.serving.limits import Limits
from tests.unit.serving.served import Watched, encoded, eventually, read_all, serving

IMPATIENT = Limits(header_seconds=1.0, body_seconds=1.0, write_seconds=1.0, connections=60)
LATE = 30  # seconds, where a server that does not mind never ends: machines may be busy
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def impatient():
    with serving(limits=IMPATIENT) as served:
        yield served


def seconds_until_closed(connection, answer):
    started = time.monotonic()
    content = read_all(connection)
    assert content.startswith(answer)
    return time.monotonic() - started


@pytest.mark.parametrize("sent", [b"", b"P", HEAD, HEAD + b"X-A: b"])
def test_a_head_that_does_not_end(impatient, sent):
    with impatient.connected() as connection:
        connection.sendall(sent)
        assert 0.5 < seconds_until_closed(connection, b"HTTP/1.1 408 ") < LATE


def test_a_head_a_byte_at_a_time(impatient):
    with impatient.connected() as connection:

        def trickle():
            for byte in HEAD * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)

        started = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            trickle()
        assert time.monotonic() - started < LATE


def test_the_second_head_of_a_connection_is_waited_for_no_longer(impatient):
    with impatient.connected() as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = connection.recv(10_000)
        while b"}" not in first:
            first += connection.recv(10_000)
        connection.sendall(b"GET /v2")
        assert seconds_until_closed(connection, b"HTTP/1.1 408 ") < LATE


def test_a_body_that_stops_or_trickles(impatient):
    head = HEAD + b"Content-Length: 1000\r\n\r\n"
    with impatient.connected() as connection:
        connection.sendall(head + b"x")
        assert seconds_until_closed(connection, b"HTTP/1.1 408 ") < 5
    with impatient.connected() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert seconds_until_closed(connection, b"HTTP/1.1 408 ") < 5


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"Content-Length: 1000\r\n\r\nx"])
def test_a_connection_that_is_half_closed_is_closed(impatient, sent):
    with impatient.connected() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert seconds_until_closed(connection, b"") < LATE


def test_an_answer_that_is_not_taken():
    """Its connection and its memory are freed."""
    with serving(limits=IMPATIENT, send_buffer=4096) as served:
        with served.connected() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)

            def ask():
                while True:
                    connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
                    time.sleep(0.001)

            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                ask()
        assert served.get("/v2/health/live").status == 200


def test_slow_callers_do_not_hurt_the_others():
    with (
        serving(limits=Limits(header_seconds=600.0, body_seconds=600.0, connections=60)) as served,
        ExitStack() as stack,
    ):
        slow = [stack.enter_context(served.connected()) for _ in range(40)]
        for i, connection in enumerate(slow):
            connection.sendall(HEAD if i % 2 else HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 1000)
        assert all(served.predict(encoded()).status == 200 for _ in range(20))
        answered, _, _ = select.select(slow, [], [], 0)
        assert not answered, "they were to wait all the time"


def test_more_connections_than_there_may_be(impatient):
    with ExitStack() as stack:
        many = [stack.enter_context(impatient.connected()) for _ in range(70)]
        assert read_all(many[-1]).startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")
        for connection in many:
            read_all(connection)
    assert impatient.predict(encoded()).status == 200


def test_a_disconnect_removes_the_image_from_the_queue():
    detector = Watched()
    with serving(detector, batch=1) as served:
        busy = threading.Event()
        detector.before = lambda pixels: busy.wait(20)
        with served.connected() as first, ExitStack() as stack:
            image = encoded()
            ask = HEAD + f"Content-Length: {len(image)}\r\n\r\n".encode() + image
            first.sendall(ask)
            eventually(lambda: in_hand(served) == 1)
            for _ in range(5):
                stack.enter_context(served.connected()).sendall(ask)
            eventually(lambda: in_hand(served) == 6)
            stack.close()
            eventually(lambda: in_hand(served) == 1)
            busy.set()
            assert first.recv(100).startswith(b"HTTP/1.1 200 ")
        assert len(detector.batches) == 2, "the first image, made up, and the one that was waited for"
        gone = [entry for entry in served.log if entry["status"] == 499]
        assert len(gone) == 5


def in_hand(served):
    return float(re.search(r"^condetr_in_hand (\S+)$", served.get("/metrics").body.decode(), re.MULTILINE)[1])
