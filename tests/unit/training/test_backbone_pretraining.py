import re

import pytest
import torch
from torch.nn.functional import cross_entropy

from condetr.core.errors import ModelError, UsageError
from condetr.core.records import Target
from condetr.data.augmentation.presets import augmentation_of
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training.backbone_pretraining import cell_classes, cell_loss, pretrain_backbone
from condetr.training.input.data_loader import batches_of_steps
from condetr.training.input.dataset import TrainingDataset
from condetr.training.input.sampling import Sampling
from condetr.training.progress import Position
from condetr.training.run.events import BackbonePretrained
from condetr.training.settings import TrainingSettings
from condetr.training.supervision.cell_objects import IGNORED
from tests.unit.training.networks import tiny_detector
from tests.unit.training.runs import small_run, state_of
from tests.unit.training.scenes import write_scenes

NOTHING = 7


def target(*objects):
    """Of (label, center x, center y, width, height)."""
    labels = torch.tensor([label for label, *_ in objects], dtype=torch.int64)
    return Target(labels, torch.tensor([box for _, *box in objects]).reshape(-1, 4))


def named(targets, cells):
    return cell_classes(targets, cells, NOTHING)


def test_cores_have_names_and_their_surroundings_are_not_judged():
    cells = torch.ones(1, 8, 8, dtype=torch.bool)
    names = named([target((3, 0.5, 0.5, 0.75, 0.5))], cells)[0]
    assert names.tolist() == [
        [7, 7, 7, 7, 7, 7, 7, 7],
        [7, 7, 7, 7, 7, 7, 7, 7],
        [7, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, 7],
        [7, IGNORED, IGNORED, 3, 3, IGNORED, IGNORED, 7],
        [7, IGNORED, IGNORED, 3, 3, IGNORED, IGNORED, 7],
        [7, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, 7],
        [7, 7, 7, 7, 7, 7, 7, 7],
        [7, 7, 7, 7, 7, 7, 7, 7],
    ]


def test_the_smaller_of_two_objects_is_in_front_whatever_their_order():
    large, small = (1, 0.5, 0.5, 1.0, 1.0), (2, 0.5, 0.5, 0.25, 0.25)
    cells = torch.ones(2, 8, 8, dtype=torch.bool)
    names = named([target(large, small), target(small, large)], cells)
    assert torch.equal(names[0], names[1])
    assert [names[0, at, at] for at in range(2, 5)] == [1, IGNORED, 2]


def test_a_dot_in_the_last_corner_has_a_cell_and_no_objects_have_none():
    names = named([target((0, 1.0, 1.0, 1e-4, 1e-4)), target()], torch.ones(2, 3, 5, dtype=torch.bool))
    assert names[0, 2, 4] == 0
    assert (names == NOTHING).sum() == 29


def test_padding_is_not_judged_and_boxes_are_shares_of_the_image():
    cells = torch.zeros(2, 6, 6, dtype=torch.bool)
    cells[0, :2, :4], cells[1] = True, True
    names = named([target((5, 0.875, 0.75, 0.2, 0.2)), target()], cells)
    assert names[0, 1, 3] == 5
    assert (names[0][~cells[0]] == IGNORED).all()
    assert (names[0][cells[0]] == NOTHING).sum() == 7


def test_cells_with_and_without_objects_count_the_same():
    torch.manual_seed(0)
    logits = torch.randn(2, NOTHING + 1, 4, 4)
    names = torch.full((2, 4, 4), NOTHING)
    names[0, 0, 0], names[0, 0, 1] = 2, IGNORED
    losses = cross_entropy(logits, names, ignore_index=IGNORED, reduction="none")
    expected = losses[0, 0, 0] + losses[names == NOTHING].mean()
    torch.testing.assert_close(cell_loss(logits, names), expected)
    assert cell_loss(logits, torch.full_like(names, IGNORED)) == 0


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 8)


def feed(scenes, steps):
    preprocessing = Preprocessing(size=Edges(64, 64))
    images = TrainingDataset(scenes, augmentation_of("none", preprocessing.size), preprocessing, seed=0)
    return batches_of_steps(images, Sampling(len(scenes), 0, 4), Position(), steps, workers=0, pin=False)


def test_the_backbone_learns_to_name_and_its_norms_are_frozen_again(scenes):
    torch.manual_seed(0)
    detector, said = tiny_detector(), []
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    pretrain_backbone(detector, feed(scenes, 40), 40, torch.device("cpu"), said.append)
    assert [(one.step, one.steps) for one in said if isinstance(one, BackbonePretrained)] == [
        (at + 1, 40) for at in range(40)
    ]
    share = re.fullmatch(
        r"backbone pretraining done, 40 steps: (\d+)% of the cells with objects are correct", said[-1].text
    )
    assert int(share[1]) > 60  # over all steps, the first of which guess
    assert said[-2].loss < 0.4 * said[1].loss
    after = detector.state_dict()
    assert list(after) == list(before)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("body.backbone.")}


def test_numbers_that_are_not_finite_end_it(scenes):
    detector = tiny_detector()
    detector.body.backbone.stages[0][0].convs[0].conv.weight.data.fill_(torch.nan)
    with pytest.raises(ModelError, match=r"loss of 00\d.png"):
        pretrain_backbone(detector, feed(scenes, 2), 2, torch.device("cpu"), lambda _: None)


@pytest.mark.slow
def test_a_run_begins_with_it_and_does_not_repeat_it(tmp_path, scenes):
    said = []
    small_run(tmp_path / "whole", scenes, pretrain_backbone=3, epochs=2, say=said.append)
    small_run(tmp_path / "parts", scenes, pretrain_backbone=3, epochs=1, decay_at=0.99, schedule="constant")
    resumed = []
    small_run(
        tmp_path / "parts", scenes, pretrain_backbone=3, epochs=2, schedule="constant", resume=True, say=resumed.append
    )
    assert sum(isinstance(one, BackbonePretrained) for one in said) == 3
    assert not any(isinstance(one, BackbonePretrained) for one in resumed)


@pytest.mark.slow
def test_it_is_the_same_again(tmp_path, scenes):
    for name in ("one", "two"):
        small_run(tmp_path / name, scenes, pretrain_backbone=3, epochs=1)
    assert state_of(tmp_path / "one") == state_of(tmp_path / "two")
    small_run(tmp_path / "other", scenes, pretrain_backbone=3, epochs=1, seed=1)
    assert state_of(tmp_path / "one") != state_of(tmp_path / "other")


def test_what_was_learned_is_not_spoiled(tmp_path, scenes):
    detector = tiny_detector()
    detector.head.boxes.last.weight.data.fill_(0.1)
    with pytest.raises(UsageError, match="pretrain_backbone: is for training from random weights"):
        small_run(tmp_path / "run", scenes, detector=detector, pretrain_backbone=3)


def test_steps_are_counted_from_zero():
    with pytest.raises(ValueError, match="pretrain_backbone"):
        TrainingSettings(pretrain_backbone=-1)
