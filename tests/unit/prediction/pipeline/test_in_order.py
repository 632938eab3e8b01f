import threading

import pytest

from condetr.prediction.pipeline.in_order import in_order


def test_results_keep_the_order_of_the_items_whichever_is_ready_first():
    later_is_done = threading.Event()

    def work(number):
        if number == 0:
            assert later_is_done.wait(20)
        elif number == 1:
            later_is_done.set()
        return -number

    assert list(in_order(work, range(50), threads=2, ahead=3, name="x")) == [-number for number in range(50)]


def test_no_more_items_are_taken_than_are_in_work():
    taken = []

    def items():
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_order(str, items(), threads=2, ahead=4, name="x")
    assert [next(results) for _ in range(3)] == ["0", "1", "2"]
    assert len(taken) == 3 + 4
    results.close()
    assert len(taken) == 3 + 4


def test_an_exception_stands_in_its_place():
    def work(number):
        if number == 2:
            raise ZeroDivisionError
        return number

    results = in_order(work, range(9), threads=3, ahead=6, name="x")
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_every_thread_begins_once_and_has_the_name():
    began = []

    def begin():
        began.append(threading.current_thread().name)

    assert list(in_order(lambda x: x, range(9), threads=1, ahead=1, name="of-a-test", begin=begin)) == list(range(9))
    assert len(began) == 1
    assert began[0].startswith("of-a-test")
