from dataclasses import replace

import pytest

from condetr.training.settings import TrainingSettings, replaced
from condetr.workflows.defaults import (
    CHOSEN,
    PAPER,
    PRETRAINING,
    SMALL,
    Facts,
    default_settings,
    description,
    queries_for,
)

CELLS = Facts(
    images=292,
    median_size=(480, 640),
    small_object=36.0,
    most_objects=30,
    class_names=("RBC", "WBC", "Platelets"),
    width=64,
    queries=100,
    is_random=False,
    device="cpu",
    cores=2,
)
COCO = replace(CELLS, images=118287, width=256, queries=300, device="cuda", cores=16, most_objects=90)


def chosen(facts, **named):
    return TrainingSettings.from_dict(replaced(default_settings(facts, named), named))


def test_a_small_network_is_trained_for_the_data_and_the_machine():
    settings = chosen(CELLS)
    assert {name: getattr(settings, name) for name in SMALL} == SMALL
    assert (settings.minutes, settings.steps, settings.workers) == (15, None, 1)
    assert (settings.image_size, settings.max_size) == (240, 400)
    assert (settings.augment, settings.flip, settings.pretrain_backbone) == ("light", None, 0)


@pytest.mark.parametrize(
    ("minutes", "device", "expected"),
    [
        (4.0, "cpu", (192, "light")),
        (8.0, "cpu", (240, "light")),
        (30.0, "cpu", (360, "light")),
        (90.0, "cpu", (360, "strong")),
        (4.0, "cuda", (360, "strong")),
    ],
)
def test_a_short_training_on_a_cpu_sees_more_but_smaller_images(minutes, device, expected):
    settings = chosen(replace(CELLS, device=device), minutes=minutes)
    assert (settings.image_size, settings.augment) == expected


@pytest.mark.parametrize(("small_object", "expected"), [(60.0, 192), (150.0, 152), (300.0, 112), (6.0, 240)])
def test_a_short_training_needs_no_large_objects(small_object, expected):
    assert chosen(replace(CELLS, small_object=small_object), minutes=5.0).image_size == expected
    assert chosen(replace(CELLS, small_object=max(small_object, 60.0)), minutes=15.0).image_size == 240


def test_the_papers_network_is_trained_by_the_papers_recipe():
    settings = chosen(COCO)
    assert {name: getattr(settings, name) for name in PAPER} == PAPER
    assert (settings.lr, settings.lr_backbone, settings.reference_batch, settings.freeze) == (
        1e-4,
        1e-5,
        16,
        ("early",),
    )
    paper = TrainingSettings()
    for name in ("schedule", "decay_at", "warmup", "weight_decay", "clip", "augment", "image_size", "max_size"):
        assert getattr(settings, name) == getattr(paper, name)
    from_scratch = chosen(replace(COCO, is_random=True))
    assert (from_scratch.epochs, from_scratch.minutes) == (50, None)
    assert (from_scratch.lr_backbone, from_scratch.freeze) == (1e-4, ())
    assert chosen(replace(COCO, is_random=True), lr=0.01).lr_backbone == 0.01


@pytest.mark.parametrize(
    ("size", "small_object", "device", "expected"),
    [
        ((480, 640), 36.0, "cpu", (360, 600)),
        ((480, 640), 10.0, "cpu", (376, 624)),  # objects of 8 pixels; as much as a CPU can afford in an hour
        ((480, 640), 10.0, "cuda", (384, 640)),
        ((2000, 3000), 8.0, "cpu", (360, 600)),
        ((96, 96), 20.0, "cpu", (96, 160)),  # images are not enlarged
        ((3000, 2000), None, "cpu", (336, 560)),
        ((5, 7), 3.0, "cpu", (8, 16)),
    ],
)
def test_images_are_small_but_their_objects_remain_visible(size, small_object, device, expected):
    facts = replace(CELLS, median_size=size, small_object=small_object, device=device)
    settings = chosen(facts, minutes=60.0)
    assert (settings.image_size, settings.max_size) == expected
    shortest = chosen(facts, minutes=15.0).image_size
    assert shortest == expected[0] if device == "cuda" else shortest <= min(240, expected[0])


def test_new_masks_of_small_networks_end_with_their_boxes():
    new = replace(CELLS, has_new_mask_head=True)
    assert chosen(replace(new, task="instance"), task="instance").masks_in_boxes
    assert chosen(replace(new, task="panoptic"), task="panoptic").masks_in_boxes is None
    assert chosen(replace(CELLS, task="instance"), task="instance").masks_in_boxes is None, "as the model has it"
    paper = replace(COCO, has_new_mask_head=True, task="instance")
    assert chosen(paper, task="instance").masks_in_boxes is None


def test_writing_is_never_mirrored_and_small_images_are_augmented_lightly():
    settings = chosen(replace(CELLS, class_names=tuple("0123456789"), median_size=(96, 96)))
    assert (settings.flip, settings.augment) == (0.0, "light")


@pytest.mark.parametrize(
    ("device", "cores", "workers"), [("cpu", 1, 0), ("cpu", 8, 1), ("cuda", 4, 3), ("cuda", 64, 8)]
)
def test_loading_has_the_cores_that_the_network_leaves(device, cores, workers):
    assert chosen(replace(CELLS, device=device, cores=cores)).workers == workers


def test_weights_that_know_the_classes_change_slowly():
    rates = [
        (settings.lr, settings.lr_backbone)
        for settings in map(chosen, (CELLS, replace(CELLS, is_random=True), replace(CELLS, knows_classes=True)))
    ]
    assert rates == [(1.5e-3, 1.5e-3), (7e-4, 2e-4), (2e-4, 1e-4)]
    on_timm = chosen(replace(CELLS, has_timm_backbone=True))
    assert (on_timm.lr, on_timm.lr_backbone) == (1.2e-3, 4e-4)
    assert chosen(replace(CELLS, has_timm_backbone=True, is_random=True)).lr == 7e-4
    assert chosen(replace(COCO, knows_classes=True)).lr == PAPER["lr"]


def test_a_small_network_with_random_weights_begins_with_its_backbone():
    fresh = replace(CELLS, is_random=True)
    assert chosen(fresh).pretrain_backbone == PRETRAINING
    assert chosen(fresh, epochs=10).pretrain_backbone == int(0.15 * 10 * 73)
    assert chosen(fresh, steps=100, batch=8).pretrain_backbone == 15
    assert chosen(fresh, steps=100, pretrain_backbone=7).pretrain_backbone == 7


NAMED = {
    "masks_in_boxes": True,
    "batch": 16,
    "lr": 1e-3,
    "lr_backbone": 1e-3,
    "warmup": 5,
    "schedule": "step",
    "decay_at": 0.7,
    "ema": 0.99,
    "clip": 1.0,
    "freeze": ("early",),
    "evaluate_every": 3,
    "epochs": 7,
    "steps": 70,
    "minutes": 3.0,
    "workers": 5,
    "image_size": 128,
    "max_size": 128,
    "augment": "none",
    "flip": 0.3,
    "pretrain_backbone": 9,
    "accumulate": 3,
    "reference_batch": 32,
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("facts", [CELLS, COCO, replace(CELLS, is_random=True)])
def test_what_is_named_is_never_touched(name, facts):
    named = {name: NAMED[name]}
    assert name not in default_settings(facts, named)
    assert getattr(chosen(facts, **named), name) == NAMED[name]


@pytest.mark.parametrize(("most", "queries"), [(30, 100), (66, 100), (67, 150), (200, 300)])
def test_there_are_queries_for_the_fullest_image(most, queries):
    assert queries_for(replace(CELLS, most_objects=most)) == queries


def test_one_name_decides_what_belongs_to_it():
    assert chosen(CELLS, epochs=7).minutes is None
    assert chosen(CELLS, steps=7).minutes is None
    assert chosen(CELLS, lr=1e-3).reference_batch == 0, "a named rate is not scaled"
    assert chosen(CELLS, image_size=700).max_size is None
    assert chosen(CELLS, schedule="step").decay_begins == 0.8
    assert chosen(replace(CELLS, overfits=True)).steps == 400


def test_everything_chosen_can_be_named_and_is_in_the_help():
    for facts in (CELLS, COCO, replace(CELLS, is_random=True), replace(COCO, is_random=True)):
        assert default_settings(facts, {}).keys() <= CHOSEN
    assert NAMED.keys() >= CHOSEN - {"epochs"}


def test_the_choices_are_announced_but_for_what_is_named():
    text = " ".join(description(default_settings(CELLS, {"batch": 8}), CELLS))
    assert "292 images of about 640x480 pixels with up to 30 objects, trained weights and cpu" in text
    assert "lr 0.0015" in text
    assert "minutes 15" in text
    assert "image_size 240" in text
    assert "batch" not in text
    assert description({"reference_batch": 4}, CELLS) == []  # the user has named all that is shown
