import signal
import threading

import pytest

from condetr.training.interruption import Interruption
from condetr.training.run.events import Noted


class StoppedError(Exception):
    pass


@pytest.fixture(autouse=True)
def _handled():
    """What stands for the command line's own handlers."""

    def stop(number, frame):
        raise StoppedError(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_it_is_raised_again(number):
    said = []
    with Interruption(said.append) as interruption:
        assert not interruption.requested
        signal.raise_signal(number)
        assert interruption.requested
        assert isinstance(said[0], Noted)
        assert number.name in said[0].text
    with pytest.raises(StoppedError, match=str(int(number))):
        interruption.raise_again([interruption.number])


def test_the_second_one_acts_at_once():
    with Interruption([].append):
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StoppedError):
            signal.raise_signal(signal.SIGTERM)


def test_where_everything_is_saved_the_first_one_acts_at_once():
    said = []
    with Interruption(said.append) as interruption:
        with interruption.immediate("saved"), pytest.raises(StoppedError):
            signal.raise_signal(signal.SIGINT)
        assert [event.text for event in said] == ["SIGINT: saved"]


def test_the_signal_of_another_process_ends_this_one_too():
    with Interruption([].append) as interruption:
        pass
    with pytest.raises(StoppedError, match=str(int(signal.SIGTERM))):
        interruption.raise_again([None, signal.SIGTERM])


def test_handlers_are_as_before_afterwards_and_threads_have_none():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption([].append):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    seen = []

    def enter():
        with Interruption([].append):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]
