"""Synthetic scenes: the same whoever makes them, and labeled as they look."""

import numpy as np
import pytest
import torch
from torch import nn

from condetr.core.errors import DataError, UsageError
from condetr.data.records import SampleIndex
from condetr.data.synthetic.dataset import SIDES, SyntheticScenes, size_of
from condetr.data.synthetic.scene import MOST_THINGS, PLAIN, scene
from condetr.data.synthetic.silhouettes import KINDS
from condetr.data.synthetic.surfaces import background
from condetr.data.synthetic.things import CLASS_NAMES, VISIBLE, Appearance, thing
from condetr.data.train_val import train_val_of
from condetr.images.preprocessing import Preprocessing
from condetr.training.input.dataset import TrainingDataset
from condetr.training.preparation import resized
from condetr.training.settings import TrainingSettings
from condetr.training.train import training_dataset

GRAY = np.full(3, 128, np.float32)


def test_a_scene_depends_on_its_seed_split_and_number_alone():
    first, again = scene(3, 96, 128), scene(3, 96, 128)
    assert np.array_equal(first.pixels, again.pixels)
    assert (first.boxes, first.labels) == (again.boxes, again.labels)
    for other in (scene(4, 96, 128), scene(3, 96, 128, seed=1), scene(3, 96, 128, split="val")):
        assert not np.array_equal(first.pixels, other.pixels)


def test_boxes_are_the_extents_of_what_is_visible():
    counts = []
    for number in range(40):
        made = scene(number, 144, 184)
        assert made.pixels.shape == (144, 184, 3)
        assert made.pixels.dtype == np.uint8
        assert len(made.boxes) == len(made.labels) <= MOST_THINGS
        assert made.owners.max() == len(made.boxes) - 1
        for owner, (left, top, right, bottom) in enumerate(made.boxes):
            rows, columns = np.nonzero(made.owners == owner)
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)
        counts.append(len(made.boxes))
    assert min(counts) == 0
    assert max(counts) > 20


def test_every_class_is_drawn_at_every_size():
    rng = np.random.default_rng(0)
    look = Appearance(GRAY, spread=0.0, depth=0.0, hollow=0.0, opacity=1.0)
    assert set(CLASS_NAMES[11:]) == set(KINDS)
    for name in CLASS_NAMES:
        for size in (6.0, 40.0, 150.0):
            made = thing(rng, name, size, look, "train")
            assert made is not None, (name, size)
            assert made.colors.shape == (*made.coverage.shape, 3)
            extent = np.argwhere(made.coverage > VISIBLE)
            longest = (extent.max(0) - extent.min(0)).max() + 1
            assert 0.4 * size - 2 <= longest <= 1.6 * size + 2, (name, size, longest)


def test_hollow_things_have_the_size_of_solid_ones():
    solid, hollow = (
        thing(np.random.default_rng(1), "disk", 60.0, Appearance(GRAY, 0.0, 0.0, share, 1.0), "train")
        for share in (0.0, 1.0)
    )
    assert solid is not None
    assert hollow is not None
    assert solid.coverage.shape == hollow.coverage.shape
    assert hollow.coverage.sum() < 0.7 * solid.coverage.sum()


def test_backgrounds_have_the_requested_size():
    rng = np.random.default_rng(0)
    for size in ((2, 300), (97, 33)):
        for _ in range(10):
            made = background(rng, *size, GRAY)
            assert made.shape == (*size, 3)
            assert made.dtype == np.float32
            assert np.isfinite(made).all()


def test_scenes_are_a_dataset():
    scenes = SyntheticScenes(epoch_size=10)
    assert len(scenes) == 10
    sample = scenes.sample(SampleIndex(2, 7, 0), masks=True)
    again = SyntheticScenes(epoch_size=10).sample(SampleIndex(2, 7, 0), masks=True)
    assert all(torch.equal(sample[name], again[name]) for name in sample)
    assert not torch.equal(sample["image"], scenes.sample(SampleIndex(3, 7, 0))["image"][..., :1])
    assert sample["image"].shape[-2:] == size_of(27, 0) == sample["masks"].shape[-2:]
    assert len(sample["masks"]) == len(sample["boxes"]) == len(sample["labels"])
    assert (
        scenes.fingerprint()
        == SyntheticScenes(epoch_size=10).fingerprint()
        != SyntheticScenes(epoch_size=11).fingerprint()
    )


def test_neighbours_mostly_have_one_size():
    sizes = [size_of(number, 0) for number in range(1600)]
    alike = sum(len(set(sizes[start : start + 16])) == 1 for start in range(0, 1600, 16))
    assert alike == pytest.approx(85, abs=12)
    assert {edge % 8 for size in sizes for edge in size} == {0}


def test_a_batch_of_scenes_is_the_same_whenever_it_is_read():
    images = TrainingDataset(SyntheticScenes(epoch_size=50), nn.Identity(), Preprocessing(), seed=0)
    draws = [SampleIndex(1, 3, 44), SampleIndex(1, 4, 2)]
    first, again = images[draws], images[draws]
    assert torch.equal(first.pixels, again.pixels)
    assert first.names == ("scene 3 of epoch 1", "scene 4 of epoch 1")
    assert not first.unreadable
    assert not torch.equal(first.pixels, images[[SampleIndex(2, 3, 44), SampleIndex(2, 4, 2)]].pixels[:2, :, :1, :1])


def test_the_range_of_their_edges_is_part_of_the_reference():
    scenes = SyntheticScenes.from_reference("condetr/scenes:64-144")
    sizes = [size_of(number, 0, scenes.sides) for number in range(0, 4000, 7)]
    assert min(edge for size in sizes for edge in size) == 64
    assert 120 <= max(edge for size in sizes for edge in size) <= 144
    assert scenes.fingerprint() != SyntheticScenes().fingerprint()
    assert SyntheticScenes.from_reference("condetr/scenes").sides == SIDES
    assert SyntheticScenes.from_reference("some/folder:64-144") is None
    assert train_val_of("condetr/scenes:64-144").train.sides == (64, 144)


@pytest.mark.parametrize("text", ["", "64", "144-64", "64-80", "8-64", "64-2000", "a-b", "64-144:2", "64-144:.4.1"])
def test_an_impossible_range_is_refused(text):
    with pytest.raises(UsageError, match="expected the shortest and the longest edge"):
        train_val_of(f"condetr/scenes:{text}")


def test_the_share_of_plain_scenes_is_part_of_the_reference():
    cluttered = train_val_of("condetr/things:64-144:0.25").train
    usual = train_val_of("condetr/things:64-144").train
    assert (cluttered.plain, usual.plain) == (0.25, PLAIN)
    assert cluttered.fingerprint() != usual.fingerprint()
    draws = [SampleIndex(0, number, 0) for number in range(40)]
    alike = [torch.equal(cluttered.sample(draw)["image"], usual.sample(draw)["image"]) for draw in draws]
    assert 0.2 < np.mean(alike) < 0.6  # but for the 60 % of scenes that are plain only in one of them


def test_all_things_may_be_of_one_class():
    parts = train_val_of("condetr/things:64-144")
    assert parts.train.classes.names == ("thing",)
    ours, kinds = (
        SyntheticScenes(sides=(64, 144), agnostic=agnostic).sample(SampleIndex(0, 3, 0)) for agnostic in (True, False)
    )
    assert torch.equal(ours["image"], kinds["image"])
    assert torch.equal(ours["boxes"], kinds["boxes"])
    assert not ours["labels"].any()
    assert kinds["labels"].any()
    assert parts.train.fingerprint() != train_val_of("condetr/scenes:64-144").train.fingerprint()


def test_most_things_are_large_enough_for_a_cell():
    sizes = [
        np.sqrt((right - left) * (bottom - top))
        for number in range(150)
        for left, top, right, bottom in scene(number, 96, 96).boxes
    ]
    assert np.mean(np.array(sizes) > 8) > 0.75
    assert min(sizes) < 5


def test_small_scenes_have_few_things():
    most = max(len(scene(index, 72, 72).boxes) for index in range(60))
    assert 3 < most <= 8
    assert max(len(scene(index, 224, 224).boxes) for index in range(40)) > 15


def test_scenes_have_no_parts_to_choose():
    parts = train_val_of("condetr/scenes", validation="none")
    assert parts.val is None
    assert parts.train.classes.names == CLASS_NAMES
    with pytest.raises(DataError, match="has no split 'val'"):
        train_val_of("condetr/scenes", validation="val")


def test_training_takes_scenes_at_their_own_sizes():
    scenes, settings = SyntheticScenes(epoch_size=40, sides=(64, 144)), TrainingSettings(augment="none")
    images = training_dataset(scenes, settings, resized(Preprocessing(), 240, 320))
    assert images[[SampleIndex(0, 20, 0)]].pixels.shape[-2:] == size_of(20, 0, (64, 144))
