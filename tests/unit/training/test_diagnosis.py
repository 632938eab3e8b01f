import pytest
import torch

from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.training.diagnosis import MIN_STEPS, explain_no_learning, explain_plateau, is_untrained, start_warnings
from condetr.training.settings import TrainingSettings
from tests.scramble import scramble
from tests.unit.training.networks import tiny_detector
from tests.unit.training.scenes import write_scenes


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path, 4, empty=range(3))


def rows(*losses, every=20, **more):
    return [
        {"step": number * every, "loss": loss, "pictures_per_second": 1.0, **more}
        for number, loss in enumerate(losses, 1)
    ]


def test_all_is_well_while_the_loss_falls_or_it_is_early(scenes):
    settings = TrainingSettings()
    falling = rows(*(10 - 0.3 * step for step in range(20)))
    assert explain_no_learning(falling, scenes, settings) is None
    assert explain_no_learning(rows(*[10.0] * 9), scenes, settings) is None
    assert explain_no_learning([], scenes, settings) is None
    assert explain_no_learning([{"step": MIN_STEPS, "ap": 0.1}], scenes, settings) is None


def test_a_loss_that_stays_is_told_with_likely_causes(scenes):
    settings = TrainingSettings(lr=0.01, freeze=("decoder",))
    said = explain_no_learning(rows(*[10.0] * 20, skipped=1), scenes, settings)
    assert "the loss has not fallen, 10 then 10" in said
    assert "20 steps were skipped" in said
    assert "3 of 4 images have no objects" in said
    assert "a learning rate of 0.01 is too high" in said
    assert "are frozen (decoder)" in said
    assert "--overfit 8" in said


def test_a_model_that_knows_something_need_not_learn_much(scenes):
    settled = [*rows(*[10.0] * 20), {"step": 400, "ap": 0.4}]
    assert explain_no_learning(settled, scenes, TrainingSettings()) is None
    assert explain_no_learning([*settled[:-1], {"step": 400, "ap": 0.01}], scenes, TrainingSettings()) is not None


def test_a_loss_that_rises_is_told(scenes):
    said = explain_no_learning(rows(*[10.0] * 10, *[50.0] * 10), scenes, TrainingSettings(lr=1e-6))
    assert "the loss rose, 10 then 50" in said
    assert "is too low" in said


def test_a_frozen_backbone_that_never_learned_is_told_at_the_start(scenes):
    detector = tiny_detector()
    assert is_untrained(detector)
    (said,) = start_warnings(detector, scenes, TrainingSettings())
    assert "the backbone has random weights" in said
    assert start_warnings(detector, scenes, TrainingSettings(freeze=())) == []
    trained = scramble(tiny_detector())
    assert any(isinstance(module, FrozenBatchNorm) for module in trained.body.backbone.modules())
    assert not is_untrained(trained)
    assert start_warnings(trained, scenes, TrainingSettings()) == []
    torch.nn.init.normal_(detector.head.boxes.last.weight)
    assert not is_untrained(detector), "it learned without ever having had pretrained norms"


def test_more_objects_than_queries_are_told_with_the_fullest_image(scenes):
    detector = scramble(tiny_detector(num_queries=1))
    crowded = write_scenes(scenes.root / "more", 12)
    (said,) = start_warnings(detector, crowded, TrainingSettings())
    fullest = next(one for one in crowded if len(one.objects) == 2)
    assert "more objects than the model has queries (1)" in said
    assert f"image {fullest.image_id} ({crowded.name_of(fullest)}) has 2" in said


def measured(*aps):
    return [{"step": 100 * number, "ap": ap} for number, ap in enumerate(aps, 1)]


def test_a_plateau_is_seen_by_ap():
    assert explain_plateau(measured(*[0.001] * 4)) is None
    text = explain_plateau(measured(*[0.001] * 4, 0.019))
    assert "AP is at most 0.019 after 5 evaluations" in text
    assert "--model" in text
    assert "--minutes" in text
    assert "--image-size" in text
    assert explain_plateau(measured(*[0.001] * 4, 0.021)) is None


def test_a_plateau_is_seen_by_a_loss_that_stays_after_it_fell():
    fell, stays = [20.0, 15.0, 11.0, 10.5, 10.2, 10.1], [10.0] * 20
    flat = rows(*fell, *stays, every=40, lr=1e-3)
    assert "the loss stays at 10 over 60% of the steps" in explain_plateau(flat)
    assert explain_plateau(flat[:12]) is None, "too early"
    assert explain_plateau([*flat, *measured(0.2)]) is None, "it has learned"
    assert explain_plateau(rows(*(20 - 0.4 * step for step in range(26)), every=40, lr=1e-3)) is None
    assert explain_plateau([*flat[:-1], flat[-1] | {"lr": 1e-4}]) is None, "the schedule ends"
