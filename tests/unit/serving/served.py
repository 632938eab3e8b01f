"""A service on a port of its own, run in a thread, and a client."""

import asyncio
import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from torch import nn

from condetr.prediction.predictor import Predictor
from condetr.serving.limits import Limits
from tests.tiny import LABELS, PREPROCESSING, tiny_detector

pytest.importorskip("uvicorn", reason='needs "condetr[serve]"')
pytest.importorskip("starlette", reason='needs "condetr[serve]"')
pytest.importorskip("prometheus_client", reason='needs "condetr[serve]"')

from condetr.serving import server
from condetr.serving.process.sockets import bound_socket
from condetr.serving.protocol.service_info import ServiceInfo


class Watched(nn.Module):
    """The tiny network; it may be slow or fail, and it notes the batches that it saw."""

    def __init__(self):
        super().__init__()
        self.network, self.batches, self.before = tiny_detector(), [], lambda pixels: None

    def forward(self, pixels, mask=None):
        self.before(pixels)
        self.batches.append(tuple(pixels.shape))
        return self.network(pixels, mask)


def predictor_of(detector, **options):
    return Predictor(detector, PREPROCESSING, LABELS, device="cpu", **{"threshold": 0} | options)


def encoded(height=30, width=40, seed=0, form="PNG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


@dataclass
class Served:
    port: int
    detector: nn.Module
    log: list = field(default_factory=list)
    states: list = field(default_factory=list)
    ended: object = None
    note: object = None
    thread: object = None

    def ask(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def predict(self, body, query="", **more):
        return self.ask("POST", f"/predict{query}", body, **more)

    @contextmanager
    def connected(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as raw:
            yield raw

    def raw(self, content):
        """What comes back for these bytes, until the service closes."""
        with self.connected() as connection:
            connection.sendall(content)
            return read_all(connection)

    def entry_of(self, answer):
        """Its line in the log, which is written after the answer."""
        found = []

        def is_there():
            found[:] = [item for item in self.log if item.get("request_id") == answer.headers["x-request-id"]]
            return found

        eventually(is_there)
        return found[0]

    def is_listening(self):
        try:
            with self.connected():
                return True
        except ConnectionRefusedError:
            return False

    def wait_for(self, state):
        eventually(lambda: state in self.states or self.ended is not None)

    def end(self):
        self.note()
        self.thread.join(30)


def read_all(connection):
    content = b""
    try:
        while part := connection.recv(65536):
            content += part
    except ConnectionResetError:
        pass
    return content


def eventually(fact, seconds=20):
    until = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)


@contextmanager
def serving(
    detector=None,
    *,
    limits=None,
    batch=4,
    predictor=None,
    before_ready=None,
    send_buffer=None,
    protocol=None,
    **info,
):
    detector = detector or Watched()
    listening = bound_socket("127.0.0.1", 0)
    if send_buffer is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    served = Served(listening.getsockname()[1], detector)

    @contextmanager
    def signals(*_):
        received = server.Signals()
        loop = asyncio.get_running_loop()
        served.note = lambda: loop.call_soon_threadsafe(received.note)
        yield received

    def run():
        try:
            served.ended = server.serve(
                predictor or predictor_of(detector),
                listening,
                ServiceInfo(
                    **{"name": "tiny", "version": "0", "backend": "torch", "classes": ("cat",), "threshold": 0.0} | info
                ),
                limits or Limits(),
                batch=batch,
                log=served.log.append,
                on_state=served.states.append,
                **(protocol or {}),
            )
        except Exception as error:
            served.ended = error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "signals", signals)
        served.thread = threading.Thread(target=run)
        served.thread.start()
        if before_ready is not None:
            eventually(served.is_listening)
            before_ready(served)
        served.wait_for("ready")
        try:
            if isinstance(served.ended, Exception):
                raise served.ended
            yield served
        finally:
            if served.thread.is_alive():
                served.end()
            listening.close()
            assert not served.thread.is_alive()
