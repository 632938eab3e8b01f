"""What a client that is no browser gets from the page, and what other pages get."""

import asyncio
import json
import os
import threading

import pytest

pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')

from starlette.testclient import TestClient

from condetr.core.errors import ImageError
from condetr.serving.page.page import page
from condetr.serving.page.page_server import application
from condetr.serving.page.uploads import Uploads
from condetr.serving.protocol.allowed_hosts import Hosts
from tests.unit.serving.served import Watched, encoded, predictor_of

# 2026-11: gradio 6.31 uses what pandas 4 will not have any more
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
HOST = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page").resolve()


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    file = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    file.write_bytes(encoded())
    return file


@pytest.fixture(scope="module")
def detector():
    return Watched()


@pytest.fixture(scope="module")
def client(folder, detector):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        scene = folder / "scene.png"
        scene.write_bytes(encoded())
        uploads = Uploads(folder, file_bytes=100_000, all_bytes=300_000)

        async def build():
            predictor = predictor_of(detector)
            options = {"title": "tiny", "threshold": 0.0, "pixels": 10_000}
            blocks = page(predictor, scenes=[str(scene)], uploads=uploads, **options)
            uploads.keep()
            return application(blocks, uploads, Hosts("127.0.0.1"))

        with TestClient(asyncio.run(build()), base_url=HOST, raise_server_exceptions=False) as client:
            yield client


def upload(client, content=None, **headers):
    files = {"files": ("a.png", encoded() if content is None else content, "image/png")}
    return client.post("/gradio_api/upload", files=files, headers=headers)


def is_refused(events):
    """By gradio, without a reason, or with our message."""
    [completed] = [event for event in events if event["msg"] == "process_completed"]
    return completed["output"] == {"error": None} or "not an image that was sent to this page" in json.dumps(events)


def everything_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def answer_to(client, data, *, handler=None):
    """The events of a handler, by default the first, for hand-made data, through the queue."""
    functions = client.get("/config").json()["dependencies"]
    number = next(function["id"] for function in functions if handler is None or function["api_name"] == handler)
    request = {"data": data, "fn_index": number, "session_hash": "abc", "event_data": None, "trigger_id": None}
    joined = client.post("/gradio_api/queue/join", json=request)
    assert joined.status_code == 200, joined.text
    with client.stream("GET", "/gradio_api/queue/data?session_hash=abc") as lines:
        return [json.loads(line.removeprefix("data: ")) for line in lines.iter_lines() if line.startswith("data: ")]


def detect_handler(client):
    return next(
        dependency["api_name"]
        for dependency in client.get("/config").json()["dependencies"]
        if dependency["api_name"] == "detect"
    )


def test_an_upload_is_processed(client, detector):
    [path] = upload(client).json()
    before = len(detector.batches)
    events = answer_to(client, [{"path": path}, None, None], handler=detect_handler(client))
    assert events[-2]["success"], events
    assert len(detector.batches) == before + 1
    assert client.get(f"/gradio_api/file={path}").content == encoded()


def other_places(secret, folder):
    link, pipe = folder / "uploads/link.png", folder / "uploads/pipe"
    (folder / "uploads").mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(secret)
        os.mkfifo(pipe)
    climbing = f"{folder}/uploads/../../{secret.parent.name}/secret.png"
    return [
        str(secret),
        "/etc/passwd",
        "/dev/zero",
        str(link),
        str(pipe),
        climbing,
        str(folder),
        "uploads/a",
        "a\0b",
        "",
    ]


def test_no_other_file_is_read_or_shown(client, secret, folder, detector):
    """A FIFO would hang the page, and /dev/zero fill the memory."""
    before, looking = len(detector.batches), detect_handler(client)
    files = everything_in(folder)
    for location in other_places(secret, folder):
        events = answer_to(
            client, [{"path": location, "meta": {"_type": "gradio.FileData"}}, None, None], handler=looking
        )
        assert is_refused(events), (location, events)
        assert client.get("/gradio_api/file=" + location.replace("\0", "%00")).status_code in (404, 405), location
    assert len(detector.batches) == before
    copied = set(everything_in(folder)) - set(files) - {folder / "uploads/link.png"}
    assert all(path.name == "detections.json" for path in copied)


@pytest.mark.parametrize("sent", ["text", 3, [], {}, {"path": None}, {"path": ["a"]}, {"path": "x" * 100_000}])
def test_what_is_no_upload_is_no_image(client, sent):
    events = answer_to(client, [sent, None, None], handler=detect_handler(client))
    assert is_refused(events)


def test_only_the_host_names_of_this_machine(client):
    for host in ("evil.example", "evil.example:7860", "127.0.0.1.evil.example", "10.0.0.1:7860", "localhost:x", "a b"):
        assert client.get("/", headers={"Host": host}).status_code == 421, host
        assert upload(client, Host=host).status_code == 421
    for host in ("localhost", "localhost:7860", "LOCALHOST.:1", "[::1]:7860"):
        assert client.get("/config", headers={"Host": host}).status_code == 200, host


def test_no_other_page_asks_or_sends(client, folder):
    before = everything_in(folder)
    others = ("http://evil.example", "https://127.0.0.1", "http://127.0.0.1:7861", "http://localhost:7860", "null", "")
    for origin in others:
        for answer in (client.get("/config", headers={"Origin": origin}), upload(client, b"x" * 99, Origin=origin)):
            assert answer.status_code == 403, origin
            assert "access-control-allow-origin" not in answer.headers
    assert upload(client, b"x" * 98, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert everything_in(folder) == before
    assert upload(client, Origin=HOST).status_code == 200


CLOSED = [
    ("GET", "/gradio_api/proxy=http://203.0.113.7/"),
    ("GET", "/gradio_api/file=http://203.0.113.7/a.png"),
    ("GET", "/gradio_api/file/etc/passwd"),
    ("GET", "/gradio_api/custom_component/1/client/component/x.js"),
    ("POST", "/gradio_api/call/detect"),
    ("POST", "/gradio_api/run/detect"),
    ("POST", "/gradio_api/api/predict"),
    ("POST", "/gradio_api/component_server"),
    ("POST", "/gradio_api/stream/1"),
    ("POST", "/gradio_api/run-history/connect"),
    ("GET", "/gradio_api/runs"),
    ("GET", "/monitoring"),
    ("GET", "/gradio_api/openapi.json"),
    ("POST", "/login"),
    ("GET", "/gradio_api/token"),
    ("GET", "/gradio_api/deep_link"),
    ("OPTIONS", "/gradio_api/upload"),
    ("PUT", "/gradio_api/upload"),
    ("GET", "/config/"),
    ("GET", "//203.0.113.7/"),
]


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_door_that_the_page_does_not_need_is_closed(client, method, path):
    answer = client.request(method, f"{HOST}{path}", json={} if method == "POST" else None, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_uploads_are_bounded_each_and_in_sum(client, folder):
    assert upload(client, b"x" * 200_000).status_code == 413
    endless = client.post("/gradio_api/upload", content=iter([b"x" * 1000] * 3))
    assert endless.status_code == 411
    assert client.post("/gradio_api/queue/join", content=b"x" * (2**20 + 1)).status_code == 413
    [scene] = list((folder / "uploads").rglob("scene.png"))
    newest = [upload(client, bytes([number]) * 90_000).json()[0] for number in range(8)]
    here = everything_in(folder)
    assert sum(path.stat().st_size for path in here) < 500_000
    assert str(here).count(newest[-1]) == 1
    assert newest[0] not in str(here)
    assert scene in here, "what came along stays"


def test_what_a_proxy_would_say_is_not_believed(client):
    answer = client.get("/config", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"})
    assert "evil.example" not in answer.text


def test_reading_a_pipe_does_not_wait(tmp_path):
    uploads = Uploads(tmp_path, file_bytes=10, all_bytes=100)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 11)
    messages = []

    def read():
        for name in ("pipe", "large"):
            try:
                uploads.content_of(str(tmp_path.resolve() / name))
            except ImageError as error:
                messages.append(error.reason)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()
    assert len(messages) == 2
    assert "11 bytes, over the limit of 10 bytes" in messages[1]
