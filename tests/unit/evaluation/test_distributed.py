import pickle
import random
from itertools import chain

import pytest

from condetr.core.errors import ImageError, UsageError
from condetr.evaluation.distributed import ALONE, Share, here, launched, merged
from condetr.evaluation.measure import measure
from condetr.prediction.predictor import Failure
from tests.unit.evaluation.scored import distorted


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("images", [0, 1, 7])
def test_every_image_is_in_one_share(images, count):
    shares = [list(Share(rank, count).positions(images)) for rank in range(count)]
    assert sorted(chain(*shares)) == list(range(images))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone():
    assert here() is ALONE
    assert (ALONE.is_first, ALONE.gathered(5)) == (True, [5])
    with launched() as share:
        assert share is ALONE


def test_the_order_in_which_images_were_looked_at_plays_no_part(scenes):
    found = distorted(scenes)
    whole = measure(scenes, found)
    for seed in range(3):
        shuffled = list(range(len(scenes)))
        random.Random(seed).shuffle(shuffled)
        parts = [{position: found[position] for position in shuffled[rank::3]} for rank in range(3)]
        assert measure(scenes, merged(parts, len(scenes))) == whole


@pytest.mark.parametrize(
    ("parts", "says"), [([{0: "a"}, {0: "b"}], "0 was looked at 2"), ([{1: "a"}], "0 was looked at 0")]
)
def test_each_image_once(parts, says):
    with pytest.raises(UsageError, match=says):
        merged(parts, 2)


def test_failures_travel():
    failure = Failure("a.png", ImageError("is empty", source="a.png", hint="remove it"))
    assert pickle.loads(pickle.dumps(failure)).to_dict() == failure.to_dict()


def test_processes_that_cannot_meet(monkeypatch):
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=r"the processes cannot meet: .*RANK"), launched():
        pass
