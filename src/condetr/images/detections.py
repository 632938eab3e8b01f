"""What was found in one picture: the record that every room above speaks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, overload

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from condetr.core.errors import DataError
from condetr.images.sizes import HeightWidth


class Detection(NamedTuple):
    """One of them. The box is (x1, y1, x2, y2) in pixels of the original, upright picture."""

    box: tuple[float, float, float, float]
    score: float
    label: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The objects of one picture, best first.

    Attributes:
        boxes: (x1, y1, x2, y2) in pixels of the original, upright picture.
        scores: in [0, 1].
        labels: class ids.
        names: class names, one a detection.
        size: (height, width) of the original, upright picture.
        source: the file it came from, or a name for it.
        masks: one a detection, at the size of the picture.
        segments: which detection each pixel belongs to: 0 none, 1 the first.

    Raises:
        DataError: lengths, sizes or values that contradict each other.
    """

    boxes: Float[Tensor, "detections 4"]
    scores: Float[Tensor, "detections"]
    labels: Int64[Tensor, "detections"]
    names: tuple[str, ...]
    size: HeightWidth
    source: str | None = None
    masks: Bool[Tensor, "detections height width"] | None = field(default=None, repr=False)
    segments: Int[Tensor, "height width"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        counts = {name: len(getattr(self, name)) for name in ("boxes", "scores", "labels", "names")}
        counts |= {} if self.masks is None else {"masks": len(self.masks)}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise DataError(f"{said}; expected the same number of each", source=self.source)
        for name, plane in (("masks", self.masks), ("segments", self.segments)):
            if plane is not None and tuple(plane.shape[-2:]) != self.size:
                reason = f"is {tuple(plane.shape[-2:])}, expected the picture's {self.size}"
                raise DataError(reason, source=self.source, item=name)
        if not (self.boxes.isfinite().all() and self.scores.isfinite().all()):
            raise DataError("boxes and scores must be finite", source=self.source)
        if (self.boxes[:, 2:] < self.boxes[:, :2]).any():
            raise DataError("a box ends before it begins; expected (x1, y1, x2, y2)", source=self.source, item="boxes")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Detection]:
        rows = zip(self.boxes.tolist(), self.scores.tolist(), self.labels.tolist(), self.names, strict=True)
        return (Detection((x1, y1, x2, y2), score, label, name) for (x1, y1, x2, y2), score, label, name in rows)

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice) -> "Detections": ...

    def __getitem__(self, index: int | slice) -> "Detection | Detections":
        """One detection, or with a slice some of them as Detections again."""
        if isinstance(index, slice):
            return self._chosen(torch.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"detection {index} of {len(self)}")
        return next(iter(self._chosen(torch.tensor([index % len(self)]))))

    def above(self, threshold: float | int) -> "Detections":
        """Those that score higher."""
        return self._chosen((self.scores > threshold).nonzero()[:, 0].cpu())

    def _chosen(self, positions: Int64[Tensor, "chosen"]) -> "Detections":
        segments = self.segments
        if segments is not None:
            renumbered = torch.zeros(len(self) + 1, dtype=segments.dtype)
            renumbered[positions + 1] = torch.arange(1, len(positions) + 1, dtype=segments.dtype)
            segments = renumbered[segments.long()]
        return Detections(
            boxes=self.boxes[positions],
            scores=self.scores[positions],
            labels=self.labels[positions],
            names=tuple(self.names[i] for i in positions.tolist()),
            size=self.size,
            source=self.source,
            masks=None if self.masks is None else self.masks[positions],
            segments=segments,
        )
