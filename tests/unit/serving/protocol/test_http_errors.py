"""The responses to refused requests."""

import json
import time

import pytest

from condetr.serving.limits import Limits
from tests.unit.serving.protocol.test_responses import form, form_type
from tests.unit.serving.served import encoded, serving

SMALL = Limits(body_bytes=100_000, all_bytes=150_000, pixels=10_000, body_seconds=0.5)


@pytest.fixture(scope="module")
def small():
    with serving(limits=SMALL, token="sesame", threshold=0.5) as served:
        yield served


def allowed(**more):
    return {"Authorization": "Bearer sesame", **more}


def is_refusal(answer, status, code, *words):
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.json.keys() == {"error"}
    assert answer.error.keys() == {"code", "message", "request_id"}
    assert answer.error["code"] == code
    for word in words:
        assert word in answer.error["message"]
    assert ("retry-after" in answer.headers) == (status == 503)
    return True


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?thresold=0.5", ["'thresold'", "did you mean threshold"]),
        ("?threshold=2", ["'2'", "from 0 to 1"]),
        ("?threshold=nan", ["'nan'"]),
        ("?threshold=<script>", ["threshold is"]),
        ("?threshold=0.1&threshold=0.2", ["more than once"]),
        ("?masks=perhaps", ["true or false"]),
        ("?masks=true", ["no masks"]),
        ("?url=http://127.0.0.1/a.jpg", ["'url' is no parameter"]),
    ],
)
def test_an_error_in_the_query_is_named(service, query, words):
    assert is_refusal(service.predict(encoded(), query), 400, "usage", *words)


def test_no_url_is_ever_fetched(service):
    body = json.dumps({"url": "http://127.0.0.1/a.jpg"})
    answer = service.predict(body, headers={"Content-Type": "application/json"})
    assert is_refusal(answer, 400, "json", "URL input is disabled")
    assert is_refusal(service.predict(b"http://127.0.0.1/a.jpg"), 422, "image")


def test_unknown_paths_and_methods(service):
    assert is_refusal(service.get("/nowhere"), 404, "not_found")
    assert is_refusal(service.get("/"), 405, "method")
    answer = service.get("/predict")
    assert is_refusal(answer, 405, "method")
    assert answer.headers["allow"] == "POST"
    assert is_refusal(service.ask("OPTIONS", "/predict"), 405, "method")
    assert is_refusal(service.ask("POST", "/v2/health/live"), 405, "method")
    assert is_refusal(service.ask("POST", "/v2/models/tiny/load"), 404, "not_found")


def test_an_empty_body(service):
    assert is_refusal(service.predict(b""), 400, "empty")


MALFORMED = {
    "no boundary": (form(b"x"), "multipart/form-data"),
    "another boundary": (form(b"x"), "multipart/form-data; boundary=other"),
    "no last boundary": (form(b"x").removesuffix(b"\r\n--a1b2--\r\n"), "multipart/form-data; boundary=a1b2"),
    "a preamble of 1 MB": (b"." * 2**20 + form(b"x"), "multipart/form-data; boundary=a1b2"),
    "no head": (b"--a1b2\r\n" + b"x" * 100, "multipart/form-data; boundary=a1b2"),
    "10 000 parts": (form(b"x").removesuffix(b"--a1b2--\r\n") * 10_000 + b"--a1b2--\r\n", form_type()["Content-Type"]),
    "a file name of 64 kB": (form(b"x", filename="n" * 65536), "multipart/form-data; boundary=a1b2"),
    "a boundary of 300": (form(b"x", "b" * 300), "multipart/form-data; boundary=" + "b" * 300),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_form_is_refused_fast(service, case):
    body, content_type = MALFORMED[case]
    before = time.process_time()
    answer = service.predict(body, headers={"Content-Type": content_type})
    assert time.process_time() - before < 0.1, "of both sides together"
    assert is_refusal(answer, 400, "multipart", "cannot be read")


@pytest.mark.parametrize("name", ["../../x", "nul\0", "a\r\nb", "<img src=x onerror=alert(1)>", "http://x/y"])
def test_the_name_of_a_file_means_nothing(service, name):
    good = service.predict(form(encoded(), filename=name), headers=form_type())
    assert (good.status, good.json) == (200, service.predict(encoded()).json)
    bad = service.predict(form(b"no picture", filename=name), headers=form_type())
    assert is_refusal(bad, 422, "image")
    assert name not in bad.error["message"]


def test_without_the_token_only_health_is_open(small):
    for path in ("/v2", "/v2/models/tiny", "/v2/models/tiny/ready", "/metrics", "/openapi.json", "/docs"):
        assert is_refusal(small.get(path), 401, "unauthorized")
        assert small.get(path, headers=allowed()).status == 200
    for wrong in ("", "sesame", "Bearer sesamf", "Bearer sesam", "Bearer sesame2", "bearer \xff"):
        refused = small.predict(encoded(), headers={"Authorization": wrong})
        assert is_refusal(refused, 401, "unauthorized")
        assert refused.headers["www-authenticate"] == "Bearer"
    assert small.predict(encoded(), headers=allowed()).status == 200
    assert small.get("/v2/health/live").status == small.get("/v2/health/ready").status == 200
    assert "securitySchemes" in small.get("/openapi.json", headers=allowed()).json["components"]
    assert "sesame" not in repr(small.log)


def test_too_large_by_its_own_word(small):
    answer = small.predict(b"x" * 100_001, headers=allowed())
    assert is_refusal(answer, 413, "too_large", "100000 bytes")
    assert answer.headers["connection"] == "close"


def test_too_large_without_a_word_is_cut_off_at_the_limit(small):
    sent = 0

    def endless():
        nonlocal sent
        while sent < 100 * 2**20:
            sent += 65536
            yield b"x" * 65536

    headers = allowed(**{"Transfer-Encoding": "chunked"})
    before = time.monotonic()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with small.connected() as connection:
        connection.sendall(f"POST /predict HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        connection.settimeout(0.01)
        answer = b""
        for chunk in endless():
            try:
                connection.sendall(b"10000\r\n" + chunk + b"\r\n")
                answer = connection.recv(1000)
            except TimeoutError:
                pass
            if answer:
                break
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 2**20
    assert time.monotonic() - before < 30


def test_more_bytes_than_come_are_not_waited_for(small):
    before = time.monotonic()
    lie = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sesame\r\nContent-Length: 1000\r\n\r\nhalf"
    )
    answer = small.raw(lie)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"timeout"' in answer
    assert time.monotonic() - before < SMALL.body_seconds + 30, "and a while for what is on its way"


def test_requests_in_memory_have_a_limit_together(small):
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sesame\r\nContent-Length: 90000\r\n\r\n"
    with small.connected() as first, small.connected() as second:
        first.sendall(head + b"x" * 89_000)
        time.sleep(0.2)
        second.sendall(head + b"x" * 89_000)
        assert second.recv(1000).startswith(b"HTTP/1.1 503 ")
        first.sendall(b"x" * 1000)
        assert first.recv(1000).startswith(b"HTTP/1.1 422 ")
    assert small.predict(encoded(), headers=allowed()).status == 200


def test_too_many_pixels(small):
    answer = small.predict(encoded(200, 100), headers=allowed())
    assert is_refusal(answer, 422, "image", "20000 pixels, over the limit of 10000")


@pytest.mark.parametrize(
    "nonsense", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header\r\n\r\n"]
)
def test_invalid_http_gets_400(service, nonsense):
    answer = service.raw(nonsense)
    assert answer.startswith(b"HTTP/1.1 400 ")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert json.loads(body)["error"]["code"] == "http"
    assert f"content-length: {len(body)}".encode() in head


def test_a_head_without_end(service):
    answer = service.raw(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
