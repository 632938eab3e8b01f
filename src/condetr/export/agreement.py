"""Comparison of an exported graph with the network on real images: single, in batches and padded."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from condetr.core.errors import GateError
from condetr.core.names import GraphPrecision
from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.export.running import ExportedNetwork, ExportedSegmenter
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import UprightImage, size_of_image
from condetr.images.scoring import best_pairs
from condetr.images.sizes import Exactly, HeightWidth
from condetr.model.segmenter import ConditionalDetrSegmenter

# fp32 differs by the order of sums. fp16 rounds to 2^-11 in every layer: logits are not bounded.
BOUNDS: dict[GraphPrecision, tuple[float, tuple[str, ...]]] = {
    "fp32": (1e-4, ("logits", "boxes", "best", "labels", "boxes_xyxy", "masks")),
    "fp16": (0.02, ("scores", "boxes", "best", "labels", "boxes_xyxy", "masks")),
}
_SHRUNK = ((0.7, 0.35), (0.35, 0.7), (0.4, 0.4))  # scales of images in one batch, so that much of each is padding
_ODD = (0.37, 0.37)
_SMALLEST = 16  # pixels a side
_MASKS = 3  # per image, of the queries with the highest scores


@dataclass(frozen=True, slots=True)
class Case:
    """The largest absolute difference of each output between graph and network on one batch."""

    batch: int
    size: HeightWidth
    padded: bool
    difference: dict[str, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    cases: tuple[Case, ...]
    tolerance: float
    bounded: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The largest of the bounded outputs."""
        return max(case.difference[name] for case in self.cases for name in self.bounded if name in case.difference)

    def require(self) -> None:
        """Raises GateError where the difference exceeds the tolerance or is not finite."""
        if not self.difference <= self.tolerance:
            worst = max(self.cases, key=lambda case: max(case.difference.values()))
            where = f"{worst.batch} images of {worst.size[0]}x{worst.size[1]}{', padded' if worst.padded else ''}"
            reason = f"the graph differs from the model by {self.difference:.2g}, more than {self.tolerance:g}"
            raise GateError(f"{reason} ({where})", item="verify", hint="--no-verify writes it anyway")

    def to_dict(self) -> dict[str, Any]:
        cases = [
            {"batch": case.batch, "size": list(case.size), "padded": case.padded, "difference": case.difference}
            for case in self.cases
        ]
        return {
            "tolerance": self.tolerance,
            "bounded": list(self.bounded),
            "difference": self.difference,
            "cases": cases,
        }


@torch.inference_mode()
def agreement_of(
    network: nn.Module,
    graph: ExportedNetwork,
    batches: Iterable[tuple[Pixels, PixelMask]],
    *,
    precision: GraphPrecision,
    tolerance: float | None = None,
) -> Agreement:
    """Run both on the same batches, at least one. The network gets a mask only with padding."""
    default, bounded = BOUNDS[precision]
    cases = []
    for pixels, mask in batches:
        padded = not bool(mask.all())
        hidden = mask if padded else None
        outputs = graph.trace(pixels, mask)
        answer = _answer(graph.predict_last(outputs))
        if isinstance(graph, ExportedSegmenter) and isinstance(network, ConditionalDetrSegmenter):
            trace = network.trace(pixels, hidden)
            expected = _answer(network.predict_last(trace))
            best = list(expected["scores"].amax(-1).topk(_MASKS).indices)
            pairs = zip(network.segment(trace, best), graph.segment(outputs, best), strict=True)
            of_masks = {"masks": max(_difference(ours.sigmoid(), theirs.sigmoid()) for ours, theirs in pairs)}
        else:
            expected, of_masks = _answer(network(pixels, hidden)), {}
        difference = {name: _difference(answer[name], expected[name]) for name in answer} | of_masks
        if "labels" in outputs:
            difference |= _best_differences({name: torch.from_numpy(array) for name, array in outputs.items()})
        height, width = pixels.shape[-2:]
        cases.append(Case(len(pixels), (height, width), padded, difference))
    return Agreement(tuple(cases), default if tolerance is None else tolerance, bounded)


def batches_of(
    images: Sequence[UprightImage], preprocessing: Preprocessing, *, fixed: bool
) -> Iterable[tuple[Pixels, PixelMask]]:
    """One image as it is, two of one odd size, three of different sizes padded; for a fixed size, three single ones."""
    if fixed:
        for image in images[:3]:
            alone = preprocessing.prepare([image])
            yield alone.pixels, alone.mask
        return
    alone = preprocessing.prepare(images[:1])
    yield alone.pixels, alone.mask
    five = [images[number % len(images)] for number in range(5)]
    odd = _scaled(preprocessing.fit(size_of_image(five[1])), _ODD)
    yield _padded([_at(image, odd, preprocessing) for image in five[:2]])
    shrunk = [_scaled(preprocessing.fit(size_of_image(image)), by) for image, by in zip(five[2:], _SHRUNK, strict=True)]
    yield _padded([_at(image, size, preprocessing) for image, size in zip(five[2:], shrunk, strict=True)])


def _answer(prediction: Prediction) -> dict[str, Tensor]:
    logits, boxes = prediction
    return {"logits": logits.float(), "boxes": boxes.float(), "scores": logits.float().sigmoid()}


def _difference(ours: Tensor, theirs: Tensor) -> float:
    return _largest((ours - theirs).abs())


def _largest(differences: Tensor) -> float:
    """Infinite where one is NaN, which compares as neither more nor less."""
    largest = float(differences.max())
    return largest if math.isfinite(largest) else math.inf


def _best_differences(outputs: dict[str, Tensor]) -> dict[str, float]:
    """The graph's post-processing against ours on the graph's own outputs; equal scores may be in any order."""
    scores, labels, boxes_xyxy, _ = best_pairs(outputs["logits"], outputs["boxes"], outputs["scores"].shape[1])
    other = labels != outputs["labels"]
    tied = torch.zeros_like(other)
    near = scores.diff().abs() < 1e-6
    tied[:, 1:] |= near
    tied[:, :-1] |= near
    boxes = (boxes_xyxy - outputs["boxes_xyxy"]).abs().amax(-1)
    return {
        "best": _difference(scores, outputs["scores"]),
        "labels": float((other & ~tied).sum()),
        "boxes_xyxy": _largest(boxes * ~tied),
    }


def _scaled(size: HeightWidth, by: tuple[float, float]) -> HeightWidth:
    height, width = (max(_SMALLEST, round(side * share)) for side, share in zip(size, by, strict=True))
    return height, width


def _at(image: UprightImage, size: HeightWidth, preprocessing: Preprocessing) -> Tensor:
    resized: list[Tensor] = replace(preprocessing, do_resize=True, size=Exactly(*size)).prepare_each([image])
    return resized[0]


def _padded(planes: Sequence[Tensor]) -> tuple[Pixels, PixelMask]:
    """A padded batch: each at the top left, zeros around it, and the mask."""
    height, width = (max(plane.shape[axis] for plane in planes) for axis in (1, 2))
    pixels = torch.zeros(len(planes), planes[0].shape[0], height, width)
    mask = torch.zeros(len(planes), height, width, dtype=torch.bool)
    for plane, slot, real in zip(planes, pixels, mask, strict=True):
        slot[:, : plane.shape[1], : plane.shape[2]] = plane
        real[: plane.shape[1], : plane.shape[2]] = True
    return pixels, mask
