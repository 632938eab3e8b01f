"""No command that was given files calls anybody: every socket of it and of its children is watched."""

import json
import os
import socket
import subprocess
import sys

import pytest

from condetr.checkpoints.saving import save
from condetr.data.demo.scene_folder import write_scenes
from tests.tiny import PREPROCESSING, tiny_detector

WATCH = """
import os, sys

EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto",
          "socket.sendmsg")

def at_home(where):
    host = where[0] if isinstance(where, tuple) and where else where
    return host in (None, "", "127.0.0.1", "::1", "localhost", "0.0.0.0") or str(host).startswith("/")

def watch(event, arguments):
    if event in EVENTS:
        where = arguments[0] if event.startswith("socket.get") else arguments[1]
        if not at_home(where):
            with open(os.environ["OUTGOING"], "a") as log:
                log.write("%s %r in %d\\n" % (event, where, os.getpid()))

sys.addaudithook(watch)
"""
PROGRAM = """
import json, os, signal, sys, threading, time, urllib.request

from condetr.cli.main import run

def ask_and_end(address, body):
    ended = time.monotonic() + 60
    while time.monotonic() < ended:
        time.sleep(0.05)
        try:
            urllib.request.urlopen(urllib.request.Request(address, body), timeout=30).read()
            break
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code != 503:
                break
    os.kill(os.getpid(), signal.SIGTERM)

for words, visit in json.loads(sys.argv[1]):
    if visit is not None:
        address, file = visit
        body = None if file is None else open(file, "rb").read()
        threading.Thread(target=ask_and_end, args=(address, body), daemon=True).start()
    print(run(words), *words, file=sys.stderr, flush=True)
"""
CALLS = """
import os, socket

def call():
    try:
        socket.getaddrinfo("there.invalid", 80)
    except OSError:
        pass

call()
if os.fork() == 0:
    call()
    os._exit(0)
os.wait()
"""


@pytest.fixture
def listened_to(tmp_path):
    """Runs command lines in one process after the other's end; gives what they said and whom they called."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch/sitecustomize.py").write_text(WATCH)

    def run(program, *lines):
        log = tmp_path / "outgoing"
        path = os.pathsep.join([str(tmp_path / "watch"), *filter(None, [os.environ.get("PYTHONPATH")])])
        surroundings = {
            "PYTHONPATH": path,
            "OUTGOING": str(log),
            "HOME": str(tmp_path / "home"),
            "OMP_NUM_THREADS": "1",
        }
        for name in ("CI", "NNCF_CI", "HF_HUB_OFFLINE"):  # what would keep libraries from calling
            os.environ.get(name) and surroundings.update({name: ""})
        (tmp_path / "home").mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", program, json.dumps(lines)],
            env=os.environ | surroundings,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr, log.read_text().splitlines() if log.exists() else []

    return run


def free_port():
    with socket.socket() as item:
        item.bind(("127.0.0.1", 0))
        return item.getsockname()[1]


def test_the_watch_sees_a_call(listened_to):
    """Or the next test could not fail."""
    _, called = listened_to(CALLS)
    assert [call.split(" in ")[0] for call in called] == ["socket.getaddrinfo 'there.invalid'"] * 2


def test_no_command_with_local_input_calls_anybody(listened_to, tmp_path):
    for library in ("gradio", "uvicorn", "onnxruntime", "onnxscript", "openvino", "nncf", "openvino_telemetry"):
        pytest.importorskip(library)
    save(
        tmp_path / "tiny",
        tiny_detector(num_labels=10),
        dict(enumerate("0123456789")),
        preprocessing=PREPROCESSING.to_dict(),
    )
    write_scenes(tmp_path / "data", train=4, val=2)
    image = next((tmp_path / "data").rglob("*.jpg"), None) or next((tmp_path / "data").rglob("*.png"))
    model, few = ("--model", "tiny", "--device", "cpu"), ("--epochs", "1", "--workers", "1", "--batch", "2")
    serving, demo = free_port(), free_port()
    lines = [
        (("data", "check", "data"), None),
        (("train", "data", *model, *few, "--output", "run"), None),
        (("export", *model, "--no-verify", "--no-dynamic", "--output", "onnx"), None),
        (
            ("export", *model, "--format", "openvino", "--precision", "int8", "--pictures", image.parent,
             "--calibrate", "2", "--no-verify", "--output", "int8"),
            None,
        ),
        (("predict", image, *model), None),
        (("predict", image, "--model", "int8", "--output", "found"), None),
        (("predict", image, "--model", "onnx", "--output", "found-too"), None),
        (("evaluate", "data", *model, "--output", "report"), None),
        (("explain", image, *model, "--threshold", "0", "--output", "explained"), None),
        (("info", "tiny"), None),
        (("doctor",), None),
        (("serve", *model, "--port", serving), (f"http://127.0.0.1:{serving}/predict", image)),
        (("demo", *model, "--port", demo), (f"http://127.0.0.1:{demo}/", None)),
    ]  # fmt: skip
    words = [
        ([str(word) for word in line], None if at is None else [at[0], at[1] and str(at[1])]) for line, at in lines
    ]
    output, called = listened_to(PROGRAM, *words)
    assert called == []
    assert "Traceback" not in output
    for line, _ in words:
        assert f"0 {' '.join(line)}\n" in output, output
    assert list((tmp_path / "home").rglob("*intel*")) == []
