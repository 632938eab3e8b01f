"""How a service ends, and what it does when the network does not come back."""

import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from condetr.core.errors import ModelError
from condetr.prediction.predictor import Predictor
from condetr.serving.limits import Limits
from condetr.serving.server import End
from tests.unit.serving.served import Watched, encoded, eventually, serving
from tests.unit.serving.test_patience import HEAD, in_hand


def test_accepted_requests_are_answered_before_the_end():
    detector = Watched()
    with serving(detector, limits=Limits(queue=20), batch=2) as served, ThreadPoolExecutor(20) as pool:
        released = threading.Event()
        detector.before = lambda pixels: released.wait(20)
        answers = [pool.submit(served.predict, encoded(seed=i)) for i in range(20)]
        eventually(lambda: in_hand(served) == 20)
        served.note()
        eventually(lambda: "draining" in served.states)
        not_ready, refused = served.get("/v2/health/ready"), served.predict(encoded())
        assert (not_ready.status, refused.status) == (503, 503)
        assert refused.headers["connection"] == "close"
        assert served.get("/v2/health/live").status == 200
        released.set()
        statuses = [answer.result().status for answer in answers]
        served.thread.join(20)
    assert statuses == [200] * 20
    assert served.ended == (End.DRAINED, False)
    assert served.states == ["ready", "draining"]


def test_drain_has_a_time_limit():
    detector = Watched()
    with serving(detector, limits=Limits(drain_seconds=0.5), batch=1) as served, ThreadPoolExecutor(3) as pool:
        stuck = threading.Event()
        detector.before = lambda pixels: stuck.wait(20)
        answers = [pool.submit(served.predict, encoded()) for _ in range(3)]
        eventually(lambda: in_hand(served) == 3)
        started = time.monotonic()
        served.end()
        assert time.monotonic() - started < 15
        assert [answer.result().status for answer in answers] == [503] * 3
        assert all("shut down before" in answer.result().error["message"] for answer in answers)
        stuck.set()
    assert served.ended == (End.CUT_SHORT, True)


def test_a_second_signal_ends_it_at_once():
    detector = Watched()
    with serving(detector, batch=1) as served, ThreadPoolExecutor(1) as pool:
        stuck = threading.Event()
        detector.before = lambda pixels: stuck.wait(20)
        answer = pool.submit(served.predict, encoded())
        eventually(lambda: in_hand(served) == 1)
        served.note()
        eventually(lambda: "draining" in served.states)
        started = time.monotonic()
        served.end()
        assert time.monotonic() - started < 15
        stuck.set()
        assert isinstance(answer.exception(), OSError) or answer.result().status == 503
    assert served.ended.end is End.CUT_SHORT


def test_a_late_network_is_abandoned_and_a_new_thread_answers():
    detector = Watched()
    with serving(detector, limits=Limits(inference_seconds=0.5)) as served:
        waits = threading.Event()
        detector.before = lambda pixels: waits.wait(20)
        late = served.predict(encoded())
        assert (late.status, late.error["code"]) == (504, "timeout")
        detector.before = lambda pixels: None
        assert served.predict(encoded()).status == 200
        not_ready = served.get("/v2/health/ready")
        assert (not_ready.status, not_ready.error["code"]) == (503, "not_ready")
        assert "1 threads have been in the network for more than 0.5 s" in not_ready.error["message"]
        waits.set()
        eventually(lambda: served.get("/v2/health/ready").status == 200)
        assert served.predict(encoded()).status == 200
    assert served.ended == (End.DRAINED, False)


def test_a_network_that_never_comes_back_ends_the_service():
    detector = Watched()
    with serving(detector, limits=Limits(inference_seconds=0.3)) as served:
        waits = threading.Event()
        detector.before = lambda pixels: waits.wait(20)
        assert [served.predict(encoded()).status for _ in range(3)] == [504] * 3
        served.thread.join(20)
        waits.set()
    assert served.ended.end is End.BROKEN


@pytest.fixture
def decoder(monkeypatch):
    """Blocks on images that are 41 pixels wide, until ``released`` is set."""
    decoded, released = Predictor.prepare, threading.Event()

    def prepare(self, source, **more):
        if struct.unpack(">I", source.content[16:20])[0] == 41:
            released.wait(30)
        return decoded(self, source, **more)

    monkeypatch.setattr(Predictor, "prepare", prepare)
    yield released
    released.set()


BLOCKING = encoded(width=41)


def test_a_hanging_decoder_is_reported_and_abandoned(decoder):
    with serving(limits=Limits(preparing_seconds=0.3)) as served:
        for stuck in (1, 2):
            late = served.predict(BLOCKING)
            assert (late.status, late.error["code"]) == (504, "timeout")
            assert "not decoded and resized within 0.3 s" in late.error["message"]
            not_ready = served.get("/v2/health/ready")
            assert (not_ready.status, not_ready.error["code"]) == (503, "not_ready")
            assert f"{stuck} threads have been decoding for more than 0.3 s" in not_ready.error["message"]
            assert served.predict(encoded()).status == 200, "others are answered"
        decoder.set()
        eventually(lambda: served.get("/v2/health/ready").status == 200)
        assert served.predict(BLOCKING).status == 200
    assert served.ended == (End.DRAINED, False)


def test_a_disconnect_does_not_hide_a_hanging_decoder(decoder):
    with serving(limits=Limits(preparing_seconds=0.3)) as served:
        with served.connected() as gone:
            gone.sendall(HEAD + f"Content-Length: {len(BLOCKING)}\r\n\r\n".encode() + BLOCKING)
            eventually(lambda: in_hand(served) == 1)
        eventually(lambda: served.get("/v2/health/ready").status == 503)
        assert served.predict(encoded()).status == 200


def test_decoders_that_never_come_back_end_the_service(decoder):
    with serving(limits=Limits(preparing_seconds=0.2)) as served:
        assert [served.predict(BLOCKING).status for _ in range(3)] == [504] * 3
        served.thread.join(20)
        assert not served.thread.is_alive()
    assert served.ended == (End.BROKEN, True)


def test_a_stuck_decoder_does_not_hold_up_the_end(decoder):
    with serving(limits=Limits(drain_seconds=0.5)) as served, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(served.predict, BLOCKING)
        eventually(lambda: in_hand(served) == 1)
        served.end()
        assert answer.result().status == 503
    assert served.ended == (End.CUT_SHORT, True)


def test_a_lost_device_is_no_endless_500():
    detector = Watched()
    with serving(detector) as served:

        def lost(pixels):
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered", 700)

        detector.before = lost
        answer = served.predict(encoded())
        assert (answer.status, answer.error["code"]) == (503, "busy")
        assert answer.headers["retry-after"]
        served.thread.join(20)
    assert served.ended.end is End.BROKEN


def test_a_bug_goes_to_the_log_and_not_to_the_client():
    detector = Watched()
    with serving(detector) as served:

        def bug(pixels):
            raise RuntimeError(f"insides of {__file__}")

        detector.before = bug
        answer = served.predict(encoded())
        assert (answer.status, answer.error["code"]) == (500, "internal")
        assert __file__ not in answer.body.decode()
        assert "Traceback" not in answer.body.decode()
        assert "insides" in served.entry_of(answer)["error"]
        detector.before = lambda pixels: None
        assert served.predict(encoded()).status == 200


def test_it_is_not_ready_before_a_first_image():
    detector = Watched()
    released, statuses = threading.Event(), []
    detector.before = lambda pixels: released.wait(20)

    def look(served):
        statuses.append((served.get("/v2/health/live").status, served.get("/v2/health/ready").status))
        statuses.append(served.predict(encoded()).status)
        released.set()

    with serving(detector, before_ready=look) as served:
        assert statuses == [(200, 503), 503]
        assert served.get("/v2/health/ready").status == 200


@pytest.mark.parametrize("damage", [float("nan"), float("inf")])
def test_a_model_that_gives_no_numbers_is_never_ready(damage):
    detector = Watched()
    with torch.no_grad():
        next(detector.parameters()).fill_(damage)
    with pytest.raises(ModelError, match="not finite"), serving(detector):
        pass
