"""Mixed guests for a while: good images, broken ones, slow and vanishing callers. Do memory and open files stay flat?

python -m benchmarks.serving_soak [--minutes 20] [--model REF] [--image-size N] [--rate 4]
"""

import argparse
import contextlib
import http.client
import io
import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from statistics import median

from benchmarks.serving_process import Service
from condetr.data.demo.scenes import scene

Act = Callable[[int, int], int | str]  # port and turn to a status, or what happened instead

_FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def encoded(index: int, form: str) -> bytes:
    file = io.BytesIO()
    scene(index % 200, split="val").image.resize((96 + 32 * (index % 3), 96)).save(file, form)
    return file.getvalue()


def post(port: int, body: bytes, path: str = "/predict", headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def raw(port: int, *parts: bytes, pause: float = 0.0, listen: bool = True) -> int | str:
    """Bytes as they are, with pauses between; the status of what comes back."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        if not listen:
            return "left"
        head = connection.recv(4096)
        return int(head.split()[1]) if head else "closed"
    return "closed"


def head_of(length: int) -> bytes:
    return f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def stall_in_body(port: int, turn: int) -> int | str:
    return raw(port, head_of(1000) + encoded(turn, "JPEG")[:200])


def drip_head(port: int, turn: int) -> int | str:
    return raw(port, *(bytes([one]) for one in head_of(turn)[:12]), pause=1.0)


def leave_early(port: int, turn: int) -> int | str:
    image = encoded(turn, "JPEG")
    return raw(port, head_of(len(image)) + image, listen=False)


GUESTS: dict[str, tuple[Act, set[int | str]]] = {
    "jpeg": (lambda port, turn: post(port, encoded(turn, "JPEG")), {200}),
    "png": (lambda port, turn: post(port, encoded(turn, "PNG"), "/predict?threshold=0.1"), {200}),
    "masks": (
        lambda port, turn: post(port, encoded(turn, "PNG"), "/predict?masks=true"),
        {200, 400},
    ),  # a detector: 400
    "cut off": (lambda port, turn: post(port, encoded(turn, "JPEG")[: 300 + turn % 900]), {422}),
    "no image": (lambda port, turn: post(port, b"<html>" * (turn % 50 + 1)), {422}),
    "empty": (lambda port, _: post(port, b""), {400}),
    "no form": (lambda port, _: post(port, b"--x\r\nnothing", headers=_FORM), {400}),
    "too large": (lambda port, _: raw(port, head_of(10**9)), {413}),
    "not HTTP": (lambda port, _: raw(port, b"nonsense\r\n\r\n"), {400}),
    "wrong word": (lambda port, turn: post(port, b"x", f"/predict?treshold={turn}"), {400}),
    "nowhere": (lambda port, turn: post(port, b"x", f"/{turn}"), {404}),
    "stalls in the body": (stall_in_body, {408}),
    "drips its head": (drip_head, {408, "closed"}),
    "leaves early": (leave_early, {"left"}),
}
SLOW = ("stalls in the body", "drips its head")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=4, help="requests a second of every quick guest")
    parser.add_argument("--model")
    parser.add_argument("--image-size")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    service = Service(options)
    counts: Counter[tuple[str, int | str]] = Counter()
    until = time.monotonic() + options.minutes * 60

    def guest(kind: str) -> None:
        act, _ = GUESTS[kind]
        turn = 0
        while time.monotonic() < until:
            started = time.monotonic()
            counts[kind, act(service.port, turn)] += 1
            turn += 1
            if kind not in SLOW:
                time.sleep(max(0.0, 1 / options.rate - (time.monotonic() - started)))

    guests = [threading.Thread(target=guest, args=(kind,)) for kind in GUESTS]
    for one in guests:
        one.start()
    seen = []
    while time.monotonic() < until:
        time.sleep(2)
        seen.append((service.resident(), service.open_files(), service.threads()))
    for one in guests:
        one.join()
    time.sleep(2)
    left_open = service.open_files()
    status = service.end()
    memory, files, threads = zip(*seen, strict=True)
    quarter = len(seen) // 4
    quarters = [round(median(memory[i * quarter : (i + 1) * quarter]), 1) for i in range(4)]
    unexpected = {f"{kind}: {got}": n for (kind, got), n in counts.items() if got not in GUESTS[kind][1]}
    said = {
        "minutes": options.minutes,
        "requests": sum(counts.values()),
        "by guest": {f"{kind}: {got}": n for (kind, got), n in sorted(counts.items(), key=str)},
        "unexpected": unexpected,
        "MB in every quarter (median)": quarters,
        "open files": {"least": min(files), "most": max(files), "at the end": left_open},
        "threads": {"least": min(threads), "most": max(threads)},
        "exit": status,
    }
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
