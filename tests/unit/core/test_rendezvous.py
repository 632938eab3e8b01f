"""Processes meet in a store that may hold what earlier ones have left."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from condetr.core import rendezvous
from condetr.core.errors import UsageError
from condetr.core.rendezvous import Meeting, agree_on_key, own_part


def meet(store, count, order):
    with ThreadPoolExecutor(count) as pool:
        jobs = {rank: pool.submit(agree_on_key, store, rank, count) for rank in order}
        return [jobs[rank].result() for rank in range(count)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_all_get_one_key_and_each_start_has_its_own(order):
    store, keys = HashStore(), []
    for _ in range(3):
        met = meet(store, 3, order)
        assert len(set(met)) == 1
        keys.append(met[0])
    assert len(set(keys)) == 3


def test_another_number_of_processes_after_a_restart():
    store = HashStore()
    first, second, third = meet(store, 3, range(3))[0], meet(store, 2, range(2))[0], meet(store, 3, range(3))[0]
    assert len({first, second, third}) == 3


def test_an_answer_to_a_process_that_is_gone_is_not_taken():
    """The first process is late: what the last start has left must not be read meanwhile."""
    store = HashStore()
    old = meet(store, 2, range(2))[0]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(agree_on_key, store, 1, 2, timeout=timedelta(seconds=30))
        assert not waiting.done()
        new = agree_on_key(store, 0, 2)
        assert waiting.result() == new != old


@pytest.mark.parametrize(("rank", "missing"), [(0, "process 1, 2 did not start"), (1, "the first process did not")])
def test_one_that_does_not_come_is_named(rank, missing):
    with pytest.raises(UsageError, match=missing):
        agree_on_key(HashStore(), rank, 3, timeout=timedelta(seconds=0.1))


def test_what_uses_the_store_twice_does_not_read_its_own_past(monkeypatch):
    """As two trainings in one process: their keys have the same names."""
    store = HashStore()
    monkeypatch.setattr(rendezvous, "meet", lambda: Meeting(store, 0, 1))
    first, second = own_part().store, own_part().store
    first.set("step", "7")
    assert first.check(["step"])
    assert not second.check(["step"])
