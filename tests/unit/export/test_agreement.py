import numpy as np
import pytest
import torch

from condetr.core.errors import GateError
from condetr.export.agreement import agreement_of, batches_of
from condetr.export.running import ExportedNetwork
from condetr.images.scoring import best_pairs
from tests.tiny import PREPROCESSING


def inference_model(detector, change=lambda answer: answer, best=None):
    """A graph that is the network itself, but for a change."""

    def run(source):
        with torch.inference_mode():
            logits, boxes = detector(*(torch.from_numpy(source[name]) for name in ("pixels", "mask")))
        answer = {"logits": logits, "boxes": boxes}
        if best is not None:
            answer |= dict(zip(("scores", "labels", "boxes_xyxy"), best_pairs(logits, boxes, best), strict=False))
        return change({name: value.numpy().copy() for name, value in answer.items()})

    return ExportedNetwork(run)


def compared(detector, images, graph, precision="fp32", tolerance=None):
    batches = batches_of(images, PREPROCESSING, fixed=False)
    return agreement_of(detector, graph, batches, precision=precision, tolerance=tolerance)


def test_batches_are_alone_of_odd_size_and_padded(images):
    (one, full), (two, odd), (three, padded) = batches_of(images, PREPROCESSING, fixed=False)
    assert [len(pixels) for pixels in (one, two, three)] == [1, 2, 3]
    assert full.all()
    assert odd.all()
    cells = padded[:, ::8, ::8]  # as the tiny network sees them
    assert (~cells).flatten(1).any(1).all()
    assert len({tuple(mask.shape[-2:]) for mask in (full, odd, padded)}) == 3
    assert (three.abs().sum(1)[~padded] == 0).all()
    assert padded.any(1).any(1).all()


def test_the_network_itself_agrees(detector, images):
    found = compared(detector, images, inference_model(detector, best=6))
    assert found.difference < 1e-4
    found.require()


@pytest.mark.parametrize("name", ["logits", "boxes", "scores", "boxes_xyxy"])
@pytest.mark.parametrize("wrong", [2e-4, np.nan, np.inf])
def test_one_wrong_number_in_the_last_batch_is_seen(detector, images, name, wrong):
    def change(answer):
        if len(answer["logits"]) == 3:
            answer[name][-1, -1] += wrong
        return answer

    found = compared(detector, images, inference_model(detector, change, best=6))
    with pytest.raises(GateError, match=r"differs from the model by .*3 images of .*, padded"):
        found.require()
    found = compared(detector, images, inference_model(detector, change, best=6), tolerance=1.0)
    if np.isfinite(wrong):
        found.require()


def test_a_wrong_label_is_seen(detector, images):
    def change(answer):
        answer["labels"][0, 2] = (answer["labels"][0, 2] + 1) % 3
        return answer

    with pytest.raises(GateError, match="by 1, more than"):
        compared(detector, images, inference_model(detector, change, best=6)).require()


def test_half_precision_is_bounded_by_what_people_see(detector, images):
    def change(answer):
        answer["logits"] += 0.03
        return answer

    graph = inference_model(detector, change)
    compared(detector, images, graph, "fp16").require()
    with pytest.raises(GateError):
        compared(detector, images, graph, "fp32").require()
