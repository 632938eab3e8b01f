"""Requests for other hosts, and those whose end two programs may read differently."""

import json

import pytest

from condetr.serving.protocol.allowed_hosts import Hosts
from tests.unit.serving.served import encoded

HERE = "Host: localhost\r\n"
ROUTES = ["/predict", "/v2/health/live", "/v2/health/ready", "/v2", "/v2/models/tiny", "/v2/models/tiny/ready"]
ROUTES += ["/openapi.json", "/metrics"]


def raw(service, head, body=b"", host=HERE):
    answer = service.raw(f"{head}\r\n".replace("HTTP/1.1\r\n", f"HTTP/1.1\r\n{host}", 1).encode() + body)
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().lower(), body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "localhost@evil", "", "[x]"]
)
@pytest.mark.parametrize("path", ROUTES)
def test_another_host_is_refused(service, path, host):
    head, body = raw(service, f"GET {path} HTTP/1.1\r\n", host=f"Host: {host}\r\n")
    assert head.startswith("http/1.1 421 ")
    assert json.loads(body)["error"]["code"] == "host"
    assert "connection: close" in head


@pytest.mark.parametrize("host", ["localhost", "LocalHost.:8000", "127.0.0.1", "[::1]:1"])
def test_the_host_names_of_this_machine_are_allowed(service, host):
    assert service.get("/v2", headers={"Host": host}).status == 200


def test_allowed_hosts():
    mine = Hosts("127.0.0.1", ["models.example"])
    assert mine.allow("models.example:443")
    assert not mine.allow("192.0.2.1"), "where only this machine can ask, no other address leads here"
    for open_to_others in (Hosts("0.0.0.0"), Hosts("192.0.2.7"), Hosts("::")):
        assert open_to_others.allow("192.0.2.7:8000")
        assert open_to_others.allow("[2001:db8::1]:8000")
        assert not open_to_others.allow("evil.example")
    assert Hosts("127.0.0.1", ["*"]).allow("evil.example")


@pytest.mark.parametrize("path", ROUTES)
def test_there_are_no_redirects(service, path):
    for method in ("GET", "POST", "HEAD", "OPTIONS"):
        head, _ = raw(service, f"{method} {path}/ HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n")
        assert head.startswith("http/1.1 404 ")
        assert "location" not in head


SMUGGLED = b"0\r\n\r\nGET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNCERTAIN = {
    "length and chunks": "POST /predict HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "chunks and length": "GET /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two lengths": "POST /predict HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
    "a length with a sign": "POST /predict HTTP/1.1\r\nContent-Length: +5\r\n",
    "chunks in HTTP/1.0": f"POST /predict HTTP/1.0\r\n{HERE}Transfer-Encoding: chunked\r\n",
    "chunks by another name": "POST /predict HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n",
    "chunks twice": "POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunks of gzip": "POST /predict HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
    "a space before the colon": "POST /predict HTTP/1.1\r\nTransfer-Encoding : chunked\r\n",
    "a lonely carriage return": "GET /v2 HTTP/1.1\r\nX: a\rTransfer-Encoding: chunked\r\n",
    "an absolute address of another host": "GET http://evil.example/v2 HTTP/1.1\r\n",
    "a tunnel": "CONNECT localhost:443 HTTP/1.1\r\n",
    "two names": "GET /v2 HTTP/1.1\r\nHost: evil.example\r\n",
}


@pytest.mark.parametrize("case", UNCERTAIN)
def test_a_request_with_an_ambiguous_end_closes_its_connection(service, case):
    head, body = raw(service, UNCERTAIN[case], SMUGGLED)
    assert head.startswith("http/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "http", "and nothing after it"
    assert "connection: close" in head


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v2", 200), ("POST", "/v2", 405), ("POST", "/x", 404)])
def test_an_unread_body_closes_the_connection(service, method, path, status):
    """It may never arrive, or contain a smuggled request."""
    head, body = raw(service, f"{method} {path} HTTP/1.1\r\nContent-Length: 30\r\n", b"GET /v2 HTTP/1.1\r\nX: y\r\n")
    assert head.startswith(f"http/1.1 {status} ")
    assert "connection: close" in head
    assert isinstance(json.loads(body), dict), "one answer"


def test_an_invalid_query_is_refused_before_the_image_is_read(service):
    answer = service.predict(encoded() + b"x" * 10_000_000, "?thresold=1")
    assert (answer.status, answer.error["code"]) == (400, "usage")


def test_a_connection_is_not_handed_to_another_protocol(service):
    head, body = raw(service, "GET /v2 HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n")
    assert head.startswith("http/1.1 200 ")
    assert "upgrade" not in head
    assert json.loads(body)["name"] == "condetr"
