"""``condetr serve`` as a process of its own, its callers, and what /proc says of it; for benchmarks/serving_*.py."""

import argparse
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median


class Service:
    """``condetr serve``, begun and ready."""

    def __init__(self, options: argparse.Namespace, *words: str) -> None:
        model = ["--model", options.model] if options.model else []
        size = ["--image-size", options.image_size] if options.image_size else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "condetr", "serve", "--port", "0", *model, *size, *words],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=lambda: self.log.extend(iter(self.process.stderr.readline, "")))
        self._reader.start()
        while not any("condetr: ready" in line for line in self.log):
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        self.port = next(int(m[1]) for line in self.log if (m := re.search(r"listening on http://[\d.]+:(\d+)", line)))

    def resident(self) -> float:
        """MB in memory."""
        pages = int((self._proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_seconds(self) -> float:
        """That the service has worked until now, over all of its threads."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        return len(list((self._proc / "fd").iterdir()))

    def threads(self) -> int:
        return len(list((self._proc / "task").iterdir()))

    @property
    def _proc(self) -> Path:
        folder = Path(f"/proc/{self.process.pid}")
        if not folder.is_dir():
            raise SystemExit("memory and open files are read from /proc: measure on Linux, while the service runs")
        return folder

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(300)
        self._reader.join()
        self.process.stderr.close()
        return status


class Caller:
    """One connection that is kept, and made anew when it ends."""

    def __init__(self, port: int) -> None:
        self._port, self._connection = port, None

    def ask(self, image: bytes) -> tuple[int, str | None]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        self._connection.request("POST", "/predict", image)
        answer = self._connection.getresponse()
        answer.read()
        if answer.getheader("connection") == "close":
            self.close()
        return answer.status, answer.getheader("retry-after")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def load(port: int, image: bytes, *, callers: int, seconds: float, pause: float) -> dict[str, object]:
    """Callers that ask again at once, or after ``pause`` where they were sent away."""
    until = time.monotonic() + seconds
    asked: list[tuple[int, float, str | None]] = []

    def call(_: int) -> None:
        caller = Caller(port)
        while time.monotonic() < until:
            started = time.monotonic()
            status, retry_after = caller.ask(image)
            asked.append((status, time.monotonic() - started, retry_after))
            if status == 503:
                time.sleep(pause)
        caller.close()

    started = time.monotonic()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(call, range(callers)))
    lasted = time.monotonic() - started
    good = sorted(seconds for status, seconds, _ in asked if status == 200)
    return {
        "callers": callers,
        "statuses": {status: sum(one[0] == status for one in asked) for status in sorted({one[0] for one in asked})},
        "503 without Retry-After": sum(one[0] == 503 and not one[2] for one in asked),
        "served a second": round(len(good) / lasted, 1),
        "median ms": round(median(good) * 1000, 1),
        "p99 ms": round(good[int(0.99 * (len(good) - 1))] * 1000, 1),
    }
