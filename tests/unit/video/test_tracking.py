import sys

import pytest
import torch

from condetr.core.errors import MissingExtraError
from condetr.video.tracking import Tracker

NOTHING = torch.zeros(0, 4), torch.zeros(0)


def test_objects_keep_their_track_ids_in_any_order():
    pytest.importorskip("trackers")
    tracker = Tracker()
    numbers = []
    for step in range(8):
        one, other = [10.0 + 2 * step, 10, 40 + 2 * step, 50], [200.0 - 2 * step, 80, 240 - 2 * step, 120]
        order = [one, other] if step % 2 else [other, one]
        found = tracker.update(torch.tensor(order), torch.tensor([0.9, 0.8]), step / 10)
        numbers.append(found if step % 2 else found[::-1])
    assert numbers[0] == (None, None), "seen once is not followed yet"
    assert len(set(numbers[2:])) == 1
    assert len(set(numbers[-1])) == 2


def test_a_lost_object_keeps_its_track_for_a_second_only():
    pytest.importorskip("trackers")
    box, score = torch.tensor([[10.0, 10, 50, 60]]), torch.tensor([0.9])
    for gone, same in ((0.4, True), (5.0, False)):
        tracker = Tracker()
        before = [tracker.update(box, score, step / 10) for step in range(4)][-1]
        tracker.update(*NOTHING, 0.4)
        tracker.update(*NOTHING, 0.4 + gone)
        after = [tracker.update(box, score, 0.5 + gone + step / 10) for step in range(4)][-1]
        assert (after == before) is same


def test_without_the_extra_the_error_has_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(MissingExtraError, match=r'needs trackers \(pip install "condetr\[track\]"\)'):
        Tracker()
