from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import condetr
from condetr.checkpoints.saving import save
from condetr.core.distributed import ProcessShard
from condetr.core.errors import DataError, UsageError
from condetr.core.records import Prediction
from condetr.data.classes import Classes
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.records import Dataset, Example, Object
from condetr.data.train_val import train_val_of
from condetr.evaluation.evaluate import evaluate_detector, held_out
from condetr.evaluation.report import DEFAULT_METRICS
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from tests.tiny import LABELS, PREPROCESSING, tiny_detector

NAMES = {0: "red", 1: "green", 2: "blue"}
SIZES = ((40, 60), (60, 40), (50, 50), (40, 60), (48, 80), (60, 40), (40, 60))  # height, width
PLAIN = Preprocessing(size=Edges(96, 160), do_normalize=False)


class SeesColors(nn.Module):
    """A query a color: the box around all that is of this color."""

    def forward(self, pixels, mask):
        bright = pixels > 0.5
        logits = torch.full((len(pixels), 3, 3), -6.0)
        boxes = torch.full((len(pixels), 3, 4), 0.5)
        for image, color in bright.flatten(2).any(2).nonzero().tolist():
            rows, columns = (bright[image, color].any(axis).nonzero() for axis in (1, 0))
            (top, bottom), (left, right) = ((at.min(), at.max() + 1) for at in (rows, columns))
            height, width = bright.shape[-2:]
            boxes[image, color] = torch.tensor(
                [
                    (left + right) / 2 / width,
                    (top + bottom) / 2 / height,
                    (right - left) / width,
                    (bottom - top) / height,
                ]
            )
            logits[image, color, color] = 2.0
        return Prediction(logits, boxes)


@pytest.fixture
def colored(tmp_path):
    """Black images of several shapes, each with rectangles of up to three colors."""
    rng = np.random.default_rng(0)
    examples = []
    for number, (height, width) in enumerate(SIZES):
        pixels, objects = np.zeros((height, width, 3), dtype=np.uint8), []
        for color in range(number % 4):
            (x, y), side = rng.integers(0, (width - 20, height - 20)), rng.integers(8, 20)
            pixels[y : y + side, x : x + side, color] = 255
            objects.append(Object(color, (float(x), float(y), float(x + side), float(y + side)), float(side**2)))
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        examples.append(Example(path, (height, width), number, tuple(objects)))
    return Dataset(tuple(examples), Classes.named(NAMES.values()), tmp_path, "val")


def boxes_of(report):
    return torch.cat([torch.cat((result.scores[:, None], result.boxes), 1) for result in report.found])


def test_a_detector_that_sees(colored):
    report = evaluate_detector(SeesColors(), colored, PLAIN, NAMES)
    assert (report.ap50, report.notes) == (1, ())
    assert report.ap > 0.8
    assert [len(part) for part in report.found] == [9] * len(colored)  # every score counts, however low


@pytest.mark.parametrize("batch", [2, 3, 100])
def test_the_same_at_any_batch_size(colored, batch):
    """Images are grouped by shape; what is left is the rounding of a sum in another order."""
    labels, detector = dict(enumerate(("red", "green", "blue"))), tiny_detector()
    alone = evaluate_detector(detector, colored, PREPROCESSING, labels, batch=1)
    together = evaluate_detector(detector, colored, PREPROCESSING, labels, batch=batch)
    torch.testing.assert_close(boxes_of(together), boxes_of(alone), atol=1e-4, rtol=1e-5)
    assert together.averages() == pytest.approx(alone.averages(), abs=1e-6)
    seen = [evaluate_detector(SeesColors(), colored, PLAIN, NAMES, batch=batch) for batch in (1, batch)]
    assert seen[0] == seen[1]


def test_images_of_one_size_share_a_batch_wherever_they_are(tmp_path):
    """Twenty sizes, each twice, with all the others in between."""
    sizes, examples = [(20 + number, 40) for number in range(20)], []
    for number, (height, width) in enumerate(2 * sizes):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (width, height), (255, 0, 0) if number % 2 else (0, 0, 255)).save(path)
        box = (0.0, 0.0, float(width), float(height))
        examples.append(Example(path, (height, width), number, (Object(2 - 2 * (number % 2), box, 1.0),)))
    dataset = Dataset(tuple(examples), Classes.named(NAMES.values()), tmp_path, "val")
    detector, batches = SeesColors(), []
    detector.register_forward_pre_hook(lambda module, inputs: batches.append(len(inputs[0])))
    as_they_are = Preprocessing(do_resize=False, do_normalize=False)
    report = evaluate_detector(detector, dataset, as_they_are, NAMES, batch=2)
    assert batches == 20 * [2]
    assert report.ap50 == 1
    alone = evaluate_detector(detector, dataset, as_they_are, NAMES, batch=1)
    assert boxes_of(report).equal(boxes_of(alone)), "in the order of the images"


class _Kept(Exception):  # noqa: N818
    pass


def test_the_same_on_two_processes(colored):
    """Seven images do not divide by two; each counts once."""
    kept = []

    def keep(mine):
        kept.append(mine)
        raise _Kept

    evaluate = partial(evaluate_detector, SeesColors(), colored, PLAIN, NAMES)
    steps = []
    with pytest.raises(_Kept):
        evaluate(share=ProcessShard(1, 2, keep), on_picture=partial(steps.append, 1))
    both = evaluate(share=ProcessShard(0, 2, lambda mine: [mine, *kept]))
    assert sorted(kept[0]) == [1, 3, 5]
    assert len(steps) == 3
    assert both == evaluate()
    assert torch.equal(boxes_of(both), boxes_of(evaluate()))


def test_training_goes_on_as_it_was(colored):
    """``partial`` makes what training calls: a network in, measures out."""
    detector = tiny_detector().train()
    evaluate = partial(evaluate_detector, dataset=colored, preprocessing=PREPROCESSING, labels=NAMES, metrics=["ap"])
    report = evaluate(detector)
    assert detector.training
    assert all(module.training for module in detector.modules())
    assert {"ap", "ap50"} <= report.averages().keys()
    assert not evaluate(detector.eval()).per_class
    assert not detector.training


def test_other_classes(colored):
    names = {0: "rouge", 1: "green", 2: "blue"}
    with pytest.raises(UsageError, match="the model lacks red"):
        evaluate_detector(SeesColors(), colored, PLAIN, names)
    assert evaluate_detector(SeesColors(), colored, PLAIN, names, class_map={"red": "rouge"}).ap50 == 1


def test_the_data_numbers_its_classes_as_it_likes(colored):
    order = Classes(("blue", "red", "green"), (10, 20, 30))
    objects = [[replace(labeled, label=(labeled.label + 1) % 3) for labeled in example.objects] for example in colored]
    examples = (replace(item, objects=tuple(its)) for item, its in zip(colored, objects, strict=True))
    report = evaluate_detector(SeesColors(), replace(colored, examples=tuple(examples), classes=order), PLAIN, NAMES)
    assert report.ap50 == 1
    assert report.found[1].names[0] == "red"


def test_an_image_that_cannot_be_read_is_left_out_and_reported(colored):
    colored[3].path.write_bytes(colored[3].path.read_bytes()[:60])
    report = evaluate_detector(SeesColors(), colored, PLAIN, NAMES, metrics=[*DEFAULT_METRICS, "speed"])
    assert [failure.source for failure in report.failures] == [str(colored[3].path)]
    assert (len(report.dataset), report.ap50, report.speed.pictures) == (6, 1, 6)


def test_no_image_can_be_read(colored):
    for example in colored:
        example.path.write_bytes(b"")
    with pytest.raises(DataError, match=r"0\.png: no image can be read; the first: is empty"):
        evaluate_detector(SeesColors(), colored, PLAIN, NAMES)


def test_speed_is_measured_on_request(colored):
    report = evaluate_detector(SeesColors(), colored, PLAIN, NAMES, metrics=["speed"])
    speed = report.speed
    assert (speed.pictures, speed.device) == (7, "cpu")
    assert min(speed.decode, speed.prepare, speed.forward, speed.score) > 0
    assert speed.total == pytest.approx(speed.decode + speed.prepare + speed.forward + speed.score)
    assert evaluate_detector(SeesColors(), colored, PLAIN, NAMES).speed is None


def test_nothing_is_computed_where_there_is_nothing_to_find(colored):
    with pytest.raises(DataError, match="no object"):
        evaluate_detector(nn.Identity(), colored[:1], PLAIN, NAMES)


def test_a_loaded_model_measures_itself(colored, tmp_path):
    save(tmp_path / "model", tiny_detector(), LABELS, preprocessing=PREPROCESSING.to_dict())
    model = condetr.load(tmp_path / "model", device="cpu")
    names = dict(zip(("red", "green", "blue"), LABELS.values(), strict=True))
    report = model.evaluate(colored, batch=2, class_map=names, metrics=["ap", "per-class"])
    assert list(report.per_class) == ["red", "green", "blue"]
    with pytest.raises(TypeError, match="batch_size=; condetr calls it batch"):
        model.evaluate(colored, batch_size=2)


def test_the_split_to_measure_on(tmp_path):
    write_scenes(tmp_path / "both", train=1, val=2)
    write_scenes(tmp_path / "one", train=0, val=0, test=3)
    write_scenes(tmp_path / "two", train=1, val=0, test=3)
    write_scenes(tmp_path / "none", train=1, val=0, test=0)
    assert (held_out(tmp_path / "both").split, len(held_out(tmp_path / "both"))) == ("val", 2)
    assert held_out(tmp_path / "both", "train").split == "train"
    assert held_out(tmp_path / "one").split == "test"
    assert (held_out(tmp_path / "two").split, held_out(tmp_path / "none").split) == ("test", "train")
    with pytest.raises(DataError, match="has no split 'val'"):
        held_out(tmp_path / "two", "val")
    write_scenes(tmp_path / "ten", train=10, val=0)
    val = held_out(tmp_path / "ten", "val")
    assert [val.name_of(image) for image in val] == [val.name_of(image) for image in train_val_of(tmp_path / "ten").val]
    assert (val.split, len(val)) == ("val, held out of train", 1)
