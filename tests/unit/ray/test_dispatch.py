import types
from concurrent.futures import Future
from pathlib import PurePath

import pytest

from condetr.core.errors import ImageError, ModelError
from condetr.prediction.sources import ImageSource
from condetr.ray.dispatch import Dispatcher
from condetr.ray.worker import Found


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause


FAILURES = types.SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
DIED = RayError("The actor died unexpectedly before finishing this task.\n\tpid: 17")


def images(count):
    return [ImageSource(str(number), PurePath(str(number)), str(number)) for number in range(count)]


def future_of(result):
    future = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def records(sources):
    return Found([{"source": source.name} for source in sources], [])


def dispatcher(send, **options):
    return Dispatcher(FAILURES, send, **({"actors": 2, "block": 4, "ahead": 6} | options))


def names_of(results):
    return [record["source"] for _, record in results]


def test_each_image_has_its_result_in_order():
    results = list(dispatcher(lambda _, sources: future_of(records(sources))).results(images(11)))
    assert [source.name for source, _ in results] == names_of(results) == [str(number) for number in range(11)]


def test_what_is_done_early_waits_for_the_images_before_it_while_the_actors_go_on():
    waiting, sent = {}, []

    def send(actor, sources):
        sent.append((actor, [source.name for source in sources]))
        future = Future()
        waiting[sources[0].name] = (future, sources)
        if sources[0].name != "0":
            future.set_result(records(sources))
        if len(sent) == 5:  # all the others
            waiting["0"][0].set_result(records(waiting["0"][1]))
        return future

    results = dispatcher(send, block=2, ahead=2).results(images(10))
    assert names_of(results) == [str(number) for number in range(10)]
    assert [actor for actor, _ in sent] == [0, 1, 1, 1, 1]  # the first actor is busy all the time


def test_no_more_blocks_are_in_hand_than_allowed():
    listed = []

    def listing():
        for image in images(100):
            listed.append(image)
            yield image

    results = dispatcher(lambda _, sources: future_of(records(sources)), block=1, ahead=3).results(listing())
    next(results)
    assert len(listed) <= 3 + 256

    held = []

    def send(_, sources):
        held.append((Future(), sources))
        if len(held) == 3:
            held[0][0].set_result(records(held[0][1]))
        return held[-1][0]

    listed.clear()
    next(dispatcher(send, block=1, ahead=3).results(listing()))
    assert len(listed) == 4


def test_an_image_that_kills_its_process_becomes_an_error():
    def send(_, sources):
        return future_of(DIED if "5" in [source.name for source in sources] else records(sources))

    results = list(dispatcher(send).results(images(11)))
    assert [source.name for source, _ in results] == [str(number) for number in range(11)]
    (error,) = (record for _, record in results if isinstance(record, Exception))
    assert type(error) is ImageError
    assert (
        str(error)
        == "5: the process that predicted it died 3 times: The actor died unexpectedly before finishing this task"
    )


def test_a_process_that_dies_while_decoding_is_no_other_case():
    def send(_, sources):
        return future_of(RayTaskError(DIED) if sources[0].name == "1" else records(sources))

    results = list(dispatcher(send, block=1).results(images(3)))
    assert isinstance(results[1][1], ImageError)


def test_processes_that_always_die_end_the_run():
    with pytest.raises(ModelError, match=r"keep dying.*memory for that many actors"):
        list(dispatcher(lambda *_: future_of(DIED)).results(images(11)))


@pytest.mark.parametrize("error", [ModelError("out of memory"), KeyError("a bug")])
def test_an_error_of_the_network_arrives_as_it_was_raised(error):
    with pytest.raises(type(error)) as caught:
        list(dispatcher(lambda *_: future_of(RayTaskError(error))).results(images(1)))
    assert caught.value is error


def test_warnings_of_the_processes_are_reported(caplog):
    found = Found([{"source": "0"}], ["0: has 3 pages"])
    list(dispatcher(lambda *_: future_of(found)).results(images(1)))
    assert caplog.messages == ["0: has 3 pages"]
