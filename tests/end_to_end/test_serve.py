"""``condetr serve`` as a process: what it opens, what it answers, how it ends."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

import condetr
from condetr.data.demo.scenes import scene
from condetr.images.saving import image_bytes

pytest.importorskip("uvicorn", reason='needs "condetr[serve]"')
pytest.importorskip("starlette", reason='needs "condetr[serve]"')
pytest.importorskip("prometheus_client", reason='needs "condetr[serve]"')

WATCHER = """
import os, socket, sys
sys.argv[0] = "condetr"
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, ("OUTGOING %s %r\\n" % (event, arguments)).encode())
sys.addaudithook(watch)
from condetr.__main__ import main
sys.exit(main())
"""


STUCK = """
import sys, threading
from condetr.prediction.predictor import Predictor
Predictor.prepare, prepared = lambda self, source, **more: prepare(self, source, **more), Predictor.prepare
def prepare(self, source, **more):
    if len(source.content) < 5000:  # not the first image, which is made up
        print("stuck", file=sys.stderr, flush=True)
        threading.Event().wait()
    return prepared(self, source, **more)
sys.argv[0] = "condetr"
from condetr.__main__ import main
sys.exit(main())
"""


class Process:
    def __init__(self, forked, *words, program=WATCHER):
        self.lines = []
        self._process = forked.start(
            "-c",
            program,
            *("serve", "--port", "0", "--device", "cpu", *words),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = int(re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.wait_for("listening"))[1])
        self.wait_for("condetr: ready")

    def _read(self):
        for line in self._process.stderr:
            self.lines.append(line)

    def wait_for(self, text, seconds=120):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in list(self.lines):
                if text in line:
                    return line
            assert self._process.poll() is None, self.lines
            time.sleep(0.02)
        raise AssertionError(self.lines)

    def predict(self, image, query=""):
        return self.ask("POST", f"/predict{query}", image)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def signal(self, number):
        self._process.send_signal(number)

    @property
    def pid(self):
        return self._process.pid

    def end(self):
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            self._reader.join(10)
            self._process.stderr.close()
        return self._process.returncode


@pytest.fixture
def process(forked):
    @contextmanager
    def started(*words, **options):
        service = Process(forked, *words, **options)
        try:
            yield service
        finally:
            service.end()

    return started


@pytest.fixture(scope="module")
def images():
    return [image_bytes(scene(index, split="val").image, ".jpg") for index in range(40)]


def test_it_serves_this_machine_alone_and_makes_no_outside_requests(process, images):
    with process() as served:
        status, found = served.predict(images[0])
        assert status == 200
        assert {row["label"] for row in found} <= set("0123456789")
        assert found
        assert served.predict(b"http://example.com/a.jpg")[0] == 422
        addresses = {
            socket.inet_ntoa(int(row.split()[1].split(":")[0], 16).to_bytes(4, "little"))
            for row in listening_sockets(served.pid)
        }
        assert addresses == {"127.0.0.1"}
        served.signal(signal.SIGINT)
        assert served.end() == 0
    outgoing = [line for line in served.lines if "OUTGOING" in line and "('127.0.0.1', 0" not in line]
    assert outgoing == []
    entries = [json.loads(line) for line in served.lines if line.startswith("{")]
    assert [(entry["path"], entry["status"]) for entry in entries] == [("/predict", 200), ("/predict", 422)]


def listening_sockets(pid):
    """The rows of the kernel's table that are sockets of this process, and listen."""
    folder = f"/proc/{pid}/fd"
    mine = set()
    for name in os.listdir(folder):  # noqa: PTH208
        with suppress(FileNotFoundError):  # closed since it was listed
            target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
            if target.startswith("socket:["):
                mine.add(target[8:-1])
    with open("/proc/net/tcp") as table, open("/proc/net/tcp6") as other:  # noqa: PTH123
        rows = [row for row in [*table, *other] if row.split()[3] == "0A"]
    return [row for row in rows if row.split()[9] in mine]


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_a_graph_answers_as_the_model_that_it_was_exported_from(process, digits_as, images, form):
    """Graphs sum in another order than PyTorch does; boxes come in whole pixels."""
    folder = digits_as(form).folder
    model = condetr.load(device="cpu")
    with process("--model", folder, "--backend", form) as served, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda image: served.predict(image, "?threshold=0.05"), images[:16]))
        _, metadata = served.ask("GET", f"/v2/models/{folder.name}")
        assert metadata["platform"] == f"condetr_{form}"
    found = 0
    for (status, rows), expected in zip(answers, model.predict(images[:16], threshold=0.05), strict=True):
        assert status == 200
        assert [row["label"] for row in rows] == list(expected.names)
        assert [row["score"] for row in rows] == pytest.approx(expected.scores.tolist(), rel=1e-4)
        for row, box in zip(rows, expected.boxes.tolist(), strict=True):
            assert all(abs(whole - side) < 1.01 for whole, side in zip(row["box"].values(), box, strict=True))
        found += len(rows)
    assert found > 30


def test_sigterm_with_a_full_queue_loses_nothing(process, images):
    """benchmarks/serving_load.py does this twenty times."""
    with process("--set", "limits.queue=16") as served, ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(served.predict, image) for image in images]
        served.wait_for('"path": "/predict"')
        served.signal(signal.SIGTERM)
        results = [answer for answer in answers if answer.exception() is None]
        assert served.end() == 0
        assert {answer.result()[0] for answer in results} <= {200, 503}
        accepted = [line for line in served.lines if '"together"' in line]
        assert sum(answer.result()[0] == 200 for answer in results) == len(accepted)
        refused = [answer for answer in answers if answer.exception() is not None]
        assert all(isinstance(answer.exception(), ConnectionRefusedError | ConnectionResetError) for answer in refused)


def test_a_process_with_a_stuck_decoder_ends_in_its_time(process, images):
    """Python would wait for the thread for ever."""
    with process("--set", "limits.drain_seconds=2", program=STUCK) as served, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(served.predict, images[0])
        served.wait_for("stuck")
        assert served.ask("GET", "/v2/health/live")[0] == 200
        served.signal(signal.SIGTERM)
        status, body = answer.result()
        assert (status, body["error"]["code"]) == (503, "busy")
        assert served.end() == 1
