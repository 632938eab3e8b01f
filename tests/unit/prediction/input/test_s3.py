"""Images in a bucket, from a server that answers as S3 does, on this machine."""

import io
import itertools
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from condetr.core.errors import ImageError, UsageError
from condetr.prediction.input.listing import Listing
from condetr.prediction.sources import images_in

s3fs = pytest.importorskip("s3fs", reason="needs s3fs, of the extra remote")
moto = pytest.importorskip("moto.server", reason="needs moto[server], a server that answers as S3 does")

NAMES = ("photos/a.png", "photos/sub/b.png", "photos/sub/notes.txt", "other/c.png")
_buckets = itertools.count()


@pytest.fixture(scope="module")
def server():
    started = moto.ThreadedMotoServer(port=0)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def system(server, monkeypatch):
    """The file system of an account with all rights; others are made anew for each test."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server, "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield s3fs.S3FileSystem()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(system):
    name = f"bucket-{next(_buckets)}"
    system.mkdir(name)
    for number, path in enumerate(NAMES):
        stream = io.BytesIO()
        Image.new("RGB", (80, 60), (number, 0, 0)).save(stream, "BMP")
        system.pipe(f"{name}/{path}", stream.getvalue())
    return f"s3://{name}"


def test_a_folder_and_a_pattern(bucket):
    found = list(Listing([f"{bucket}/photos"]))
    assert [image.name for image in found] == [f"{bucket}/photos/a.png", f"{bucket}/photos/sub/b.png"]
    assert [image.relative_path for image in found] == [PurePath("a.png"), PurePath("sub/b.png")]
    assert [image.image().getpixel((0, 0))[0] for image in found] == [0, 1]
    assert [image.name for image in images_in(f"{bucket}/*/c.png")] == [f"{bucket}/other/c.png"]
    assert [image.name for image in images_in(found[1].name)] == [found[1].name]


def test_what_is_not_there_ends_the_run(bucket):
    for source in (f"{bucket}/photos/gone.png", f"{bucket}-2/photos"):
        with pytest.raises(UsageError, match=r"does not exist \(check the address\)") as caught:
            Listing([source])
        assert caught.value.exit_status == 2


def test_a_key_that_is_deleted_meanwhile_fails_alone(bucket, system):
    first, second = images_in(f"{bucket}/photos")
    system.rm(f"{bucket}/photos/a.png")
    with pytest.raises(ImageError, match=r"photos/a\.png: cannot be read"):
        first.image()
    assert second.image().size == (80, 60)


def authorize(server, *, after):
    """Let the server refuse accounts that it does not know, after so many requests."""
    urlopen(Request(f"{server}/moto-api/reset-auth", after, {"Content-Type": "text/plain"})).close()


def test_a_bucket_without_rights_is_not_one_that_is_missing(bucket, server, system):
    (image,) = images_in(f"{bucket}/photos/a.png")
    authorize(server, after=b"0")
    try:
        system.invalidate_cache()
        s3fs.S3FileSystem.clear_instance_cache()
        for source in (f"{bucket}/photos", f"{bucket}/photos/a.png", f"{bucket}/photos/*.png"):
            with pytest.raises(UsageError, match=r"cannot be read: .*\(check the address, and your rights there\)"):
                Listing([source])
        with pytest.raises(ImageError, match=r"a\.png: cannot be read: "):
            image.image()
    finally:
        authorize(server, after=b"inf")


def test_a_connection_that_breaks_is_an_error_of_one_image(bucket, server, monkeypatch):
    class Breaking(BaseHTTPRequestHandler):
        """Passes everything on, but half of each image."""

        def answer(self):
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            try:
                with urlopen(Request(server + self.path, headers=headers, method=self.command)) as answer:
                    status, headers, content = answer.status, answer.headers, answer.read()
            except HTTPError as error:
                status, headers, content = error.code, error.headers, error.read()
            self.send_response(status)
            for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified"):
                if name in headers:
                    self.send_header(name, headers[name])
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if content[:2] == b"BM" else content)

        do_GET = do_HEAD = answer  # noqa: N815  names of http.server

        def log_message(self, *_):
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    Thread(target=proxy.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_address[1]}")
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        first, _ = images_in(f"{bucket}/photos")
        with pytest.raises(ImageError, match=r"photos/a\.png: cannot be read: "):
            first.image()
    finally:
        proxy.shutdown()
        proxy.server_close()


def test_a_server_that_is_not_there(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(UsageError, match=r"cannot be read: .*127\.0\.0\.1"):
        Listing([f"{bucket}/photos"])
