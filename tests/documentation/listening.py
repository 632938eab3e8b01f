"""A service that a page starts, and the calls that it prints."""

import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from condetr.serving.process.sockets import bound_socket

_PORT = "127.0.0.1:8000"  # of the pages


def visited(words: list[str], calls: list[list[str]]) -> list[str]:
    """What ``calls`` print, made while the service of the command line runs; it is then asked to end."""
    from condetr.cli.main import run

    with bound_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    answers: list[str] = []
    address = f"http://127.0.0.1:{port}{'/' if words[0] == 'demo' else '/health'}"
    ended = threading.Event()

    def visit() -> None:
        while not ended.is_set() and not _answers(address):
            time.sleep(0.05)
        try:
            for call in calls:
                here = [word.replace(_PORT, f"127.0.0.1:{port}") for word in call]
                done = subprocess.run([*here, "--silent", "--fail"], capture_output=True, text=True, check=False)
                answers.append(done.stdout)
        finally:
            if not ended.is_set():
                os.kill(os.getpid(), signal.SIGTERM)  # for which it has a handler, now that it answers

    if "--port" in words:
        at = words.index("--port")
        words = [*words[:at], *words[at + 2 :]]
    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        status = run([*(word for word in words if word != "--open"), "--port", str(port)])
    finally:
        ended.set()
        visitor.join()
    assert status == 0, f"condetr {' '.join(words)}: exit status {status}"
    return answers


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10):
            return True
    except (urllib.error.URLError, OSError):
        return False
