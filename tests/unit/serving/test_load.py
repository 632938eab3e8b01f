"""More clients than queue slots."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from condetr.serving.limits import Limits
from tests.unit.serving.served import Watched, encoded, eventually, serving
from tests.unit.serving.test_patience import in_hand


def paced(seconds):
    return lambda pixels: time.sleep(seconds)


def test_beyond_the_queue_there_is_a_503_with_retry_after():
    detector = Watched()
    with serving(detector, limits=Limits(queue=6), batch=1) as served, ThreadPoolExecutor(30) as pool:
        detector.before = paced(0.2)
        answers = list(pool.map(lambda i: served.predict(encoded(seed=i)), range(30)))
        good = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status == 503]
        assert len(good) >= 6
        assert len(good) + len(refused) == 30
        for answer in refused:
            assert answer.error["code"] == "busy"
            assert 1 <= int(answer.headers["retry-after"]) <= 3
        assert served.predict(encoded()).status == 200


def test_a_burst_of_500_connections_is_answered_to_the_last():
    detector = Watched()
    with serving(detector, limits=Limits(queue=20)) as served:
        detector.before = paced(0.02)
        connections = [served.connected() for _ in range(500)]
        image = encoded()
        ask = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(image)}\r\n\r\n".encode() + image
        opened = [connection.__enter__() for connection in connections]
        for connection in opened:
            connection.sendall(ask)
        heads = []
        for connection in opened:
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(4096)
                assert part, "closed without an answer"
                head += part
            heads.append(head)
            connection.close()
        statuses = [int(head.split()[1]) for head in heads]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 20
        assert all(b"retry-after: " in head for head, status in zip(heads, statuses, strict=True) if status == 503)
        assert served.predict(image).status == 200


def test_twice_the_capacity_is_served_at_capacity():
    """A short version of benchmarks/serving_load.py; the network sleeps, so that the clients do not slow it down."""
    detector = Watched()
    seconds, pause = 4.0, 0.25
    with serving(detector, limits=Limits(queue=16), batch=4) as served, ThreadPoolExecutor(32) as pool:
        detector.before = paced(pause)
        until = time.monotonic() + seconds

        def client(seed):
            statuses = []
            image = encoded(seed=seed)
            while time.monotonic() < until:
                answer = served.predict(image)
                statuses.append(answer.status)
                if answer.status == 503:
                    time.sleep(0.05)
            return statuses

        before = len(detector.batches)
        statuses = [status for each in pool.map(client, range(32)) for status in each]
        batches = detector.batches[before:]
    assert set(statuses) == {200, 503}
    assert sum(batch[0] for batch in batches) / len(batches) > 3.5, "batches are full"
    assert statuses.count(200) == sum(batch[0] for batch in batches), "every processed image was answered"


def test_too_long_in_the_queue():
    detector = Watched()
    with serving(detector, limits=Limits(queue_seconds=0.3), batch=1) as served:
        released = threading.Event()
        detector.before = lambda pixels: released.wait(20)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(served.predict, encoded())
            eventually(lambda: in_hand(served) == 1)
            second = served.predict(encoded())
            assert (second.status, second.error["code"]) == (503, "busy")
            assert "waited in the queue for more than 0.3 s" in second.error["message"]
            released.set()
            assert first.result().status == 200


def test_files_and_memory_stay_as_they_are():
    """Complete requests, broken ones, and abandoned ones."""
    with serving(limits=Limits(queue=4)) as served:

        def values():
            text = served.get("/metrics").body.decode()
            return {name: float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]) for name in ("process_open_fds",)}

        def some(count):
            for i in range(count):
                served.predict(encoded(seed=i % 3))
                served.predict(b"broken")
                with served.connected() as connection:
                    connection.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 10\r\nHost: localhost\r\n\r\nx")
                with served.connected() as connection:
                    connection.sendall(b"nonsense\r\n\r\n")

        some(5)
        before = values()
        some(40)
        eventually(lambda: values()["process_open_fds"] <= before["process_open_fds"])
