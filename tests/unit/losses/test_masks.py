from dataclasses import replace

import pytest
import torch

from condetr.core.errors import AnnotationError
from condetr.core.records import Target
from condetr.losses import masks as losses_of_masks
from condetr.losses.masks import MaskSupervision, mask_losses
from condetr.matching.assignment import Assignment
from tests.plain_mask_losses import plain_mask_losses


def target(count, height, width):
    return Target(torch.zeros(count, dtype=torch.int64), torch.rand(count, 4), torch.rand(count, height, width) > 0.6)


def assignment(*pairs):
    """Of (image, query, object) in the last of two layers; the first says something else."""
    images, queries, objects = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 3).T
    return Assignment(images, torch.stack((queries + 1, queries)), torch.stack((objects.flip(0), objects)))


def case(queries=5, rows=4, columns=6, frame=(16, 22)):
    logits = 2 * torch.randn(2, queries, rows, columns)
    targets = [target(2, 12, 22), target(3, 16, 9)]
    real = torch.zeros(2, *frame, dtype=torch.bool)
    real[0, :12], real[1, :, :9] = True, True
    return logits, targets, real, assignment((0, 3, 1), (1, 0, 2), (1, 4, 0))


def supervision(logits, frame=(16, 22), real=None):
    return MaskSupervision(lambda images, queries: logits[images, queries], frame, real)


@pytest.mark.parametrize("padding_counts", [True, False])
def test_is_what_the_authors_define(padding_counts):
    logits, targets, real, matched = case()
    real = None if padding_counts else real
    found = mask_losses(supervision(logits, real=real), matched, targets)
    plain = plain_mask_losses(logits, targets, (16, 22), real, matched)
    assert [loss.item() for loss in found] == pytest.approx(plain, rel=1e-5)


def test_what_is_predicted_in_padding_costs_nothing():
    logits, targets, real, matched = case(rows=16, columns=22)  # at the size of the input: nothing is interpolated
    other = torch.where(real[:, None], logits, logits + 50)
    for found, expected in zip(
        mask_losses(supervision(other, real=real), matched, targets),
        mask_losses(supervision(logits, real=real), matched, targets),
        strict=True,
    ):
        assert torch.equal(found, expected)
    assert (
        mask_losses(supervision(other), matched, targets).dice > mask_losses(supervision(logits), matched, targets).dice
    )


def test_a_perfect_mask_costs_next_to_nothing():
    targets = [target(2, 16, 22)]
    logits = (targets[0].masks.float() * 2 - 1)[None] * 15
    found = mask_losses(supervision(logits), assignment((0, 0, 0), (0, 1, 1)), targets)
    assert [loss.item() for loss in found] == pytest.approx([0, 0], abs=1e-4)


def test_blocks_change_neither_losses_nor_gradients(monkeypatch):
    logits, targets, real, matched = case()
    results = []
    for pixels in (1 << 22, 1):
        monkeypatch.setattr(losses_of_masks, "PIXELS_AT_ONCE", pixels)
        leaf = logits.clone().requires_grad_()
        found = mask_losses(supervision(leaf, real=real), matched, targets)
        (found.focal + 3 * found.dice).backward()
        results.append((found.focal.detach(), found.dice.detach(), leaf.grad))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("padding_counts", [True, False])
def test_a_mask_that_is_cut_off_at_its_box_is_learned_in_and_around_it(padding_counts):
    frame = (30, 44)
    logits, pairs = torch.randn(2, 5, 8, 11), ((0, 3, 1), (1, 0, 2), (1, 4, 0))
    targets = [target(2, 22, 44), target(3, 30, 20)]
    real = torch.zeros(2, *frame, dtype=torch.bool)
    real[0, :22], real[1, :, :20] = True, True
    expected = [0.0, 0.0]
    for image, query, number in pairs:
        height, width = targets[image].masks.shape[1:]
        cx, cy, w, h = (targets[image].boxes[number] * torch.tensor([width, height, width, height])).tolist()
        y, x = torch.arange(frame[0])[:, None] + 0.5, torch.arange(frame[1]) + 0.5
        counted = ((x - cx).abs() <= w / 2 + max(w / 10, 4)) & ((y - cy).abs() <= h / 2 + max(h / 10, 4))
        assert 0 < counted.sum() < counted.numel()
        seen = torch.zeros_like(real)
        seen[image] = counted & (True if padding_counts else real[image])
        targets_near = [
            replace(one, masks=one.masks & seen[i, : one.masks.shape[1], : one.masks.shape[2]])
            for i, one in enumerate(targets)
        ]
        plain = plain_mask_losses(logits, targets_near, frame, seen, assignment((image, query, number)), 0.5)
        expected = [total + loss for total, loss in zip(expected, plain, strict=True)]
    predict = supervision(logits).predict
    found = MaskSupervision(predict, frame, None if padding_counts else real, in_boxes=True)
    assert [loss.item() for loss in mask_losses(found, assignment(*pairs), targets)] == pytest.approx(
        expected, rel=1e-5
    )


def test_only_matched_queries_are_asked_for():
    logits, targets, _, matched = case()
    asked = []

    def predict(images, queries):
        asked.append((images.tolist(), queries.tolist()))
        return logits[images, queries]

    mask_losses(MaskSupervision(predict, (16, 22)), matched, targets)
    assert asked == [([0, 1, 1], [3, 0, 4])]


def test_enlarged_masks_are_not_held_for_the_gradients():
    """However many pixels the image has: what waits for backward is as large as the predictions and the bit maps."""
    logits = torch.randn(1, 8, 4, 4, requires_grad=True)
    held = 0

    def hold(tensor):
        nonlocal held
        held += tensor.numel() * tensor.element_size()
        return tensor

    frame = (256, 256)
    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        found = mask_losses(supervision(logits, frame), assignment(*((0, q, q) for q in range(8))), [target(8, *frame)])
    assert held < 2 * 8 * 256 * 256, "one enlarged map in fp32 has four bytes a pixel"
    found.dice.backward()
    assert logits.grad.abs().sum() > 0


def test_images_without_objects_ask_the_mask_head_all_the_same():
    """Processes that train together wait for the gradients of every parameter."""
    logits = torch.randn(2, 5, 4, 6, requires_grad=True)
    empty = Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
    found = mask_losses(supervision(logits), assignment(), [empty, empty])
    assert found.focal.item() == found.dice.item() == 0
    (found.focal + found.dice).backward()
    assert (logits.grad == 0).all()


def test_half_precision_is_summed_in_fp32():
    logits, targets, _, matched = case()
    found = mask_losses(supervision(logits.bfloat16()), matched, targets)
    assert {loss.dtype for loss in found} == {torch.float32}


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (None, "2 objects without masks"),
        (torch.zeros(3, 16, 22, dtype=torch.bool), r"\(3, 16, 22\), expected 2 of at most 16 x 22"),
        (torch.zeros(2, 17, 22, dtype=torch.bool), r"\(2, 17, 22\), expected 2 of at most 16 x 22"),
        (torch.zeros(2, 16, 23, dtype=torch.bool), r"\(2, 16, 23\)"),
    ],
)
def test_masks_that_do_not_fit(masks, message):
    logits, targets, _, matched = case()
    object.__setattr__(targets[0], "masks", masks)  # past the shape checks of the tests
    with pytest.raises(AnnotationError, match=f"image 0: .*{message}"):
        mask_losses(supervision(logits), matched, targets)
