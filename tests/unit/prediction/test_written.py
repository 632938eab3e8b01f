import threading
from pathlib import PurePath

import pytest
import torch

from condetr.core.errors import ImageError, ModelError, StorageError
from condetr.images.detections import Detections
from condetr.prediction import written as module
from condetr.prediction.predictor import Failure
from condetr.prediction.sources import ImageSource
from condetr.prediction.written import written


def results(count, *, made=None, until=None):
    for number in range(count):
        if number == until:
            raise ModelError("not finite")
        if made is not None:
            made.append(number)
        name = str(number)
        yield ImageSource(name, PurePath(name), name), Failure(name, ImageError("is damaged"))


def test_results_come_in_order_as_they_were_written():
    def write(image, result):
        return Failure(image.name, ImageError("written"))

    found = list(written(results(100), write))
    assert [failure.source for failure in found] == [str(number) for number in range(100)]
    assert {failure.error.reason for failure in found} == {"written"}


def test_the_next_results_are_made_while_one_is_written():
    made, go_on = [], threading.Event()

    def write(image, result):
        assert go_on.wait(20)
        return result

    def watched():
        for item in results(module.MOST + 20, made=made):
            if len(made) == module.MOST + 1:
                go_on.set()
            yield item

    assert len(list(written(watched(), write))) == module.MOST + 20


def test_few_large_results_wait(monkeypatch):
    """A slow disk does not fill the memory with masks."""
    monkeypatch.setattr(module, "MOST_BYTES", 25_000)
    most, made, done = 0, 0, 0

    def masked():
        nonlocal made, most
        for number in range(12):
            made += 1
            most = max(most, made - done)
            found = Detections(
                boxes=torch.zeros(1, 4), scores=torch.zeros(1), labels=torch.zeros(1, dtype=torch.int64), names=("a",),
                size=(100, 100), masks=torch.zeros(1, 100, 100, dtype=torch.bool),
            )  # fmt: skip
            yield ImageSource(str(number), PurePath(str(number)), str(number)), found

    def write(image, result):
        nonlocal done
        threading.Event().wait(0.01)
        done += 1
        return result

    assert len(list(written(masked(), write))) == 12
    assert most <= 4


def test_what_was_made_before_an_error_is_written():
    names = []
    with pytest.raises(ModelError):
        list(written(results(9, until=5), lambda image, result: names.append(image.name) or result))
    assert names == list("01234")


def test_after_an_error_of_the_disk_nothing_is_written():
    names = []

    def write(image, result):
        names.append(image.name)
        if len(names) == 3:
            raise StorageError("disk full")
        return result

    with pytest.raises(StorageError, match="disk full"):
        list(written(results(50), write))
    assert names == list("012")


def test_a_run_that_is_stopped_at_once_writes_no_more():
    names, going = [], threading.Event()

    def write(image, result):
        names.append(image.name)
        going.wait(0.05)
        return result

    stream = written(results(30), write)
    next(stream)
    stream.close()
    assert 1 <= len(names) < 30
