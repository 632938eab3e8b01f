import math

import pytest
import torch

from condetr.core.errors import AnnotationError, ModelError, SettingsError, UsageError
from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import Losses, set_loss
from condetr.matching.matching_costs import MatchingCosts


def predict(layers=3, images=2, queries=6, classes=4, **kind):
    return [
        Prediction(torch.randn(images, queries, classes, **kind), torch.rand(images, queries, 4, **kind))
        for _ in range(layers)
    ]


def targets(*counts, classes=4):
    return [Target(torch.randint(classes, (count,)), torch.rand(count, 4) * 0.5 + 0.1) for count in counts]


def losses_of(predictions, targets, weights=LossWeights(), **original) -> Losses:  # noqa: B008  frozen
    return set_loss(predictions, targets, MatchingCosts(), weights, **original)


def leaves(predictions):
    for prediction in predictions:
        prediction.logits.requires_grad_()
        prediction.boxes.requires_grad_()
    return [tensor for prediction in predictions for tensor in prediction]


def test_the_total_weighs_every_layer():
    losses = losses_of(predict(), targets(2, 1), LossWeights(classes=3.0, boxes=7.0, giou=0.5))
    torch.testing.assert_close(losses.total, (3 * losses.classes + 7 * losses.boxes + 0.5 * losses.giou).sum())


def test_layers_do_not_know_each_other():
    predictions, wanted = predict(), targets(2, 1)
    together = losses_of(predictions, wanted)
    for layer, prediction in enumerate(predictions):
        alone = losses_of([prediction], wanted)
        for term in ("classes", "boxes", "giou", "cardinality_error"):
            torch.testing.assert_close(getattr(together, term)[layer], getattr(alone, term)[0])
    torch.testing.assert_close(together.class_error, alone.class_error)


def test_perfect_answers_cost_next_to_nothing():
    wanted = targets(3, 1)
    logits, boxes = torch.full((2, 6, 4), -15.0), torch.rand(2, 6, 4)
    for image, target in enumerate(wanted):
        logits[image, range(len(target)), target.labels] = 15.0
        boxes[image, : len(target)] = target.boxes
    losses = losses_of([Prediction(logits, boxes)], wanted)
    assert losses.total.item() == pytest.approx(0, abs=1e-5)
    assert losses.cardinality_error.item() == losses.class_error.item() == 0


def test_class_error_is_the_last_layers():
    wanted = [Target(torch.tensor([1]), torch.full((1, 4), 0.5))]
    right, wrong = (Prediction(torch.eye(4)[[label]][None], torch.full((1, 1, 4), 0.5)) for label in (1, 2))
    assert losses_of([wrong, wrong, right], wanted).class_error.item() == 0
    assert losses_of([right, wrong], wanted).class_error.item() == 100


def test_terms_are_divided_by_the_number_of_objects():
    predictions, wanted = predict(), targets(2, 1)
    torch.testing.assert_close(
        losses_of(predictions, wanted, objects=6.0).total * 2, losses_of(predictions, wanted).total
    )


@pytest.mark.parametrize("counts", [(0, 2), (0, 0)])
def test_images_without_objects_teach_that_nothing_is_there(counts):
    predictions = predict()
    tensors = leaves(predictions)
    losses = losses_of(predictions, targets(*counts))
    losses.total.backward()
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in tensors)
    assert all((prediction.logits.grad[0] > 0).all() for prediction in predictions)
    assert all(not prediction.boxes.grad[0].any() for prediction in predictions)
    assert sum(counts) > 0 or losses.boxes.tolist() == losses.giou.tolist() == [0, 0, 0]


def test_only_matched_boxes_are_moved():
    predictions = predict(layers=1)
    leaves(predictions)
    losses = losses_of(predictions, targets(2, 1))
    losses.total.backward()
    matched = torch.stack((losses.assignment.images, losses.assignment.queries[0]), dim=1)
    assert predictions[0].boxes.grad.any(-1).nonzero().tolist() == sorted(matched.tolist())


def test_boxes_without_size_give_finite_gradients():
    """Of the network where its sigmoid underflows, of the labels, and of both in one place."""
    wanted = targets(3, 0)
    wanted[0].boxes[0, 2:], wanted[0].boxes[1, 2] = 0, 0
    predictions = predict(layers=2)
    predictions[0].boxes[..., 2:] = 0
    predictions[0].boxes[0, :3] = predictions[1].boxes[0, :3] = wanted[0].boxes
    tensors = leaves(predictions)
    losses = losses_of(predictions, wanted)
    losses.total.backward()
    assert losses.total.isfinite()
    assert all(tensor.grad.norm().isfinite() for tensor in tensors)


def test_objects_that_no_query_is_left_for_are_counted():
    losses = losses_of(predict(queries=2), targets(5, 1))
    assert losses.unmatched == 3
    assert losses.total.isfinite()
    assert losses_of(predict(), targets(5, 1)).unmatched == 0


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_fp32(kind):
    half = predict(dtype=kind)
    tensors = leaves(half)
    losses = losses_of(half, wanted := targets(2, 1))
    full = losses_of([Prediction(logits.detach().float(), boxes.detach().float()) for logits, boxes in half], wanted)
    assert losses.total.dtype == torch.float32
    assert torch.equal(losses.total, full.total)
    losses.total.backward()
    assert all(tensor.grad.dtype == kind for tensor in tensors)


def test_autocast_does_not_lower_it():
    predictions, wanted = predict(), targets(2, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(losses_of(predictions, wanted).total, losses_of(predictions, wanted).total)
        cast = losses_of(predictions, wanted).total
    assert torch.equal(cast, losses_of(predictions, wanted).total)


def test_the_gradient_is_that_of_the_value():
    predictions = predict(layers=2, images=1, queries=3, dtype=torch.float64)
    tensors = leaves(predictions)
    wanted = targets(2)

    def total(*tensors):
        return losses_of([Prediction(*tensors[:2]), Prediction(*tensors[2:])], wanted).total

    assert torch.autograd.gradcheck(total, tensors)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_computes_the_same_from_labels_left_on_the_cpu():
    predictions, wanted = predict(), targets(2, 0)
    there = losses_of([Prediction(logits.cuda(), boxes.cuda()) for logits, boxes in predictions], wanted)
    assert there.total.is_cuda
    torch.testing.assert_close(there.total.cpu(), losses_of(predictions, wanted).total)


def test_diverged_predictions_are_named():
    predictions = predict()
    predictions[1].logits[1, 2] = math.nan
    with pytest.raises(ModelError, match="decoder layer 1, image 1"):
        losses_of(predictions, targets(0, 0))


def test_labels_that_do_not_fit_are_named():
    wanted = targets(1, 2)
    wanted[1].labels[1] = 4
    with pytest.raises(AnnotationError, match="image 1, object 1: label 4"):
        losses_of(predict(), wanted)


def test_predictions_and_targets_are_of_the_same_images():
    with pytest.raises(UsageError, match="got 3 for a batch of 2"):
        losses_of(predict(), targets(1, 1, 1))
    with pytest.raises(UsageError, match="0 decoder layers"):
        losses_of([], targets(1))
    with pytest.raises(UsageError, match="0 images"):
        losses_of(predict(), [])


@pytest.mark.parametrize(
    "change", [{"classes": -1.0}, {"boxes": math.nan}, {"giou": math.inf}, {"alpha": 1.5}, {"alpha": -1.0}]
)
def test_weights_that_make_no_sense_are_refused(change):
    with pytest.raises(SettingsError, match="alpha in"):
        LossWeights(**change)
