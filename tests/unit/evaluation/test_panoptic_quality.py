import numpy as np
import pytest
import torch

from condetr.core.errors import UsageError
from condetr.data.records import Example, Object
from condetr.evaluation.panoptic_quality import counts_of, panoptic_of
from condetr.images.detections import Detections
from condetr.images.masks.rle import rle_of_mask
from tests.plain_panoptic_quality import plain_quality
from tests.unit.data.panoptic import save_numbers

CLASSES = ("a", "b", "c", "sky")
BOX = (0.0, 0.0, 1.0, 1.0)  # plays no part


def blobs(rng, count, side=24):
    """Numbers of rectangles, later ones on top; 0 stays somewhere."""
    plane = np.zeros((side, side), dtype=np.int64)
    for number in range(1, count + 1):
        y, x = rng.integers(0, side - 6, 2)
        plane[y : y + rng.integers(4, 14), x : x + rng.integers(4, 14)] = number
    return plane


def example_of(folder, truth, names):
    """Ids of the PNG are a hundred times the number."""
    save_numbers(folder, truth * 100)
    objects = [Object(label, BOX, 1.0, number * 100) for number, (label, crowd) in names.items() if not crowd]
    crowds = [Object(label, BOX, 1.0, number * 100) for number, (label, crowd) in names.items() if crowd]
    return Example(folder.with_suffix(".jpg"), truth.shape, 1, tuple(objects), tuple(crowds), folder)


def detections_of(answer, names):
    count = len(names)
    return Detections(
        boxes=torch.zeros(count, 4),
        scores=torch.ones(count),
        labels=torch.tensor([names[number] for number in sorted(names)], dtype=torch.int64),
        names=tuple(CLASSES[names[number]] for number in sorted(names)),
        size=answer.shape,
        segments=torch.from_numpy(answer).int(),
    )


def some_images(seed, count=6):
    """Answers that are the truth moved and partly renamed, so that there are hits, misses and errors."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        truth = blobs(rng, 6)
        answer = np.roll(truth, rng.integers(-2, 3, 2), axis=(0, 1))
        answer[answer == 6] = 0
        names = {number: (int(rng.integers(3)), bool(rng.random() < 0.25)) for number in range(1, 7)}
        found = {number: label if rng.random() < 0.8 else int(rng.integers(4)) for number, (label, _) in names.items()}
        yield truth, names, answer, found


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_plain_words(tmp_path, seed):
    images = list(some_images(seed))
    counts = [
        counts_of(example_of(tmp_path / f"{i}.png", truth, names), detections_of(answer, found), len(CLASSES))
        for i, (truth, names, answer, found) in enumerate(images)
    ]
    measured = panoptic_of(counts, CLASSES, stuff=(2, 3))
    qualities, pixels = plain_quality(images, len(CLASSES))
    assert qualities.keys() == {CLASSES.index(name) for name in measured.per_class}
    for label, expected in qualities.items():
        mine = measured.per_class[CLASSES[label]]
        assert (mine.pq, mine.sq, mine.rq) == pytest.approx(expected)
        assert mine.iou == pytest.approx(pixels.get(label))
    assert measured.pq == pytest.approx(np.mean([quality[0] for quality in qualities.values()]))
    assert measured.things.pq == pytest.approx(np.mean([item[0] for label, item in qualities.items() if label < 2]))
    assert measured.stuff.rq == pytest.approx(np.mean([item[2] for label, item in qualities.items() if label > 1]))
    assert measured.miou == pytest.approx(np.mean(list(pixels.values())))


def test_a_perfect_answer_has_one(tmp_path):
    truth, names = blobs(np.random.default_rng(0), 5), {n: (n % 4, False) for n in range(1, 6)}
    example = example_of(tmp_path / "t.png", truth, names)
    found = detections_of(truth, {number: label for number, (label, _) in names.items()})
    measured = panoptic_of([counts_of(example, found, 4)], CLASSES, stuff=(3,))
    assert (measured.pq, measured.sq, measured.rq, measured.miou) == (1, 1, 1, 1)
    assert measured.things.pq == measured.stuff.pq == 1
    assert {name: item.segments for name, item in measured.per_class.items()} == {"a": 1, "b": 2, "c": 1, "sky": 1}


def test_segments_on_void_or_crowd_pixels_are_no_error(tmp_path):
    truth = np.zeros((10, 10), dtype=np.int64)
    truth[:, :4] = 1
    answer = np.where(truth == 0, 1, 2)
    crowd = example_of(tmp_path / "t.png", truth, {1: (0, True)})
    measured = panoptic_of([counts_of(crowd, detections_of(answer, {1: 0, 2: 0}), 4)], CLASSES, stuff=())
    assert measured.per_class == {}
    assert measured.pq == 0
    other = panoptic_of([counts_of(crowd, detections_of(answer, {1: 0, 2: 1}), 4)], CLASSES, stuff=())
    assert other.per_class["b"].pq == 0, "a crowd of another class excuses nothing"


def test_instances_that_share_no_pixel_are_as_good_as_a_png(tmp_path):
    truth = blobs(np.random.default_rng(1), 4)
    names = {n: (n % 3, False) for n in range(1, 5)}
    with_png = example_of(tmp_path / "t.png", truth, names)
    outlined = [
        Object(label, BOX, 1.0, n, rle_of_mask(torch.from_numpy(truth == n))) for n, (label, _) in names.items()
    ]
    without = Example(with_png.path, truth.shape, 1, tuple(outlined))
    found = detections_of(np.roll(truth, 1), {n: n % 3 for n in range(1, 5)})
    one, other = (vars_of(counts_of(example, found, 4)) for example in (with_png, without))
    assert all((one[name] == other[name]).all() for name in one)
    twice = Example(with_png.path, truth.shape, 1, (*outlined, outlined[0]))
    with pytest.raises(UsageError, match="has overlapping objects"):
        counts_of(twice, found, 4)


def vars_of(counts):
    return {name: getattr(counts, name) for name in counts.__slots__}
