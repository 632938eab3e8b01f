"""What a service does under load: capacity, twice the capacity, a burst, SIGTERM with a full queue, batching, overhead.

python -m benchmarks.serving_load [--study overload burst drain batching overhead] [--seconds 60]
    [--model REF] [--image-size N] [--picture FILE] [--clients 16]

The service is a process of its own, and so are the callers (one process with a thread a caller). Both share the
machine's cores, as they do where this is measured.
"""

import argparse
import io
import json
import os
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from statistics import median, quantiles

from PIL import Image

import condetr
from benchmarks.serving_process import Caller, Service, load
from condetr.data.demo.scenes import scene


def capacity(options: argparse.Namespace, image: bytes, service: Service, seconds: float = 10) -> float:
    result = load(service.port, image, callers=options.clients, seconds=seconds, pause=0.05)
    say("capacity", result)
    return float(result["served a second"])


def overload(options: argparse.Namespace, image: bytes) -> None:
    """Twice as many callers as the queue has places, in turns with as many as it has: what is served, and memory."""
    queue, turns = options.clients, 6
    service = Service(options, "--set", f"limits.queue={queue}")
    resident, done = [], threading.Event()

    def watch() -> None:
        while not done.wait(2):
            resident.append(service.resident())

    watcher = threading.Thread(target=watch)
    capacities, overloads = [capacity(options, image, service, 5)], []
    watcher.start()
    for _ in range(turns):
        # a caller that was sent away comes back after as long as one that was served takes
        pause = queue / capacities[-1]
        overloads.append(load(service.port, image, callers=2 * queue, seconds=options.seconds / turns, pause=pause))
        capacities.append(capacity(options, image, service, 5))
    done.set()
    watcher.join()
    rates = [float(one["served a second"]) for one in overloads]
    around = [(before + after) / 2 for before, after in pairwise(capacities)]
    statuses: Counter[int] = sum((Counter(one["statuses"]) for one in overloads), Counter())
    quarter = len(resident) // 4
    said = {
        "statuses": dict(statuses),
        "503 without Retry-After": sum(one["503 without Retry-After"] for one in overloads),
        "served a second": rates,
        "of capacity": [round(rate / full, 3) for rate, full in zip(rates, around, strict=True)],
        "of capacity, all turns": round(sum(rates) / sum(around), 3),
        "MB in every quarter (median)": [round(median(resident[i * quarter : (i + 1) * quarter])) for i in range(4)],
    }
    say("overload", said)
    service.end()


def burst(options: argparse.Namespace, image: bytes) -> None:
    service = Service(options)
    ask = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(image)}\r\n\r\n".encode() + image
    before = service.resident()
    connections = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(500)]
    for connection in connections:
        connection.sendall(ask)
    statuses: dict[int, int] = {}
    bare = 0
    for connection in connections:
        head = connection.recv(65536)
        status = int(head.split()[1]) if head else 0
        statuses[status] = statuses.get(status, 0) + 1
        bare += status == 503 and b"retry-after" not in head.lower()
        connection.close()
    grown = round(service.resident() - before, 1)
    say("burst", {"statuses": statuses, "503 without Retry-After": bare, "grown MB": grown})
    service.end()


def drain(options: argparse.Namespace, image: bytes) -> None:
    """SIGTERM with a full queue, twenty times: is every accepted image answered?"""
    kept = 0
    for _ in range(20):
        service = Service(options, "--set", "limits.queue=16")
        with ThreadPoolExecutor(40) as pool:
            answers = [pool.submit(Caller(service.port).ask, image) for _ in range(40)]
            while not any('"path": "/predict"' in line for line in service.log):
                time.sleep(0.001)
            status = service.end()
            good = sum(one.exception() is None and one.result()[0] == 200 for one in answers)
        accepted = sum('"together"' in line for line in service.log)
        away = sum('"code": "busy"' in line for line in service.log)
        kept += status == 0 and good == accepted and accepted >= 16
        print(f"  exit {status}: {accepted} accepted, {good} answered, {away} refused", flush=True)
    say("drain", {"nothing lost": f"{kept} of 20"})


def batching(options: argparse.Namespace, image: bytes) -> None:
    """The same callers against one at a time and against batches, both services there all the while, in short turns."""
    services = [Service(options, "--batch", batch) for batch in ("1", "8")]
    rounds = []
    for service in services:
        load(service.port, image, callers=options.clients, seconds=2, pause=0.05)
    for _ in range(10):
        rates, costs = [], []
        for service in services:
            before = service.cpu_seconds()
            served = load(service.port, image, callers=options.clients, seconds=3, pause=0.05)
            rates.append(float(served["served a second"]))
            costs.append((service.cpu_seconds() - before) / served["statuses"][200] * 1000)
        rounds.append((rates[1] / rates[0], costs[0] / costs[1], *rates, *costs))
    together = [json.loads(line)["together"] for line in services[1].log if '"together"' in line]
    for service in services:
        service.end()
    names = ("times as many a second", "of the service's CPU time an answer", *("a second, 1", "a second, 8"))
    columns = dict(zip((*names, "CPU ms, 1", "CPU ms, 8"), zip(*rounds, strict=True), strict=True))
    shown = {name: [round(value, 2) for value in quantiles(column, n=4)] for name, column in columns.items()}
    say("batching", {"quartiles": shown, "images in a batch": round(sum(together) / len(together), 2)})


def overhead(options: argparse.Namespace, image: bytes) -> None:
    """One caller at idle against the bare Predictor, in turns of 20."""
    service = Service(options, "--batch", "1")
    size = {"image_size": int(options.image_size)} if options.image_size else {}
    predictor = condetr.load(*([options.model] if options.model else []), **size).predictor(threshold=0)
    caller = Caller(service.port)
    bare, served = [], []
    for _ in range(10):
        for times, act in ((bare, lambda: predictor.predict([image])), (served, lambda: caller.ask(image))):
            for _ in range(20):
                started = time.perf_counter()
                act()
                times.append((time.perf_counter() - started) * 1000)
    caller.close()
    service.end()
    shown = {"bare ms": round(median(bare), 2), "served ms": round(median(served), 2)}
    say("overhead", shown | {"difference ms": round(median(served) - median(bare), 2)})


def say(study: str, result: dict[str, object]) -> None:
    print(json.dumps({"study": study} | result), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    studies = {one.__name__: one for one in (overload, burst, drain, batching, overhead)}
    parser.add_argument("--study", nargs="+", choices=studies, default=list(studies))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model")
    parser.add_argument("--image-size")
    parser.add_argument("--picture")
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if options.image:
        with Image.open(options.image) as opened:
            given = opened.convert("RGB")
    else:
        given = scene(0, split="val").image
    file = io.BytesIO()
    given.save(file, "JPEG", quality=92)
    for study in options.study:
        studies[study](options, file.getvalue())


if __name__ == "__main__":
    main()
