"""From logits and masks to panoptic segments, against the newest transformers; and the memory of large images.

python -m benchmarks.segmentation_postprocessing [--rounds 15] [--threads 1] [--json FILE]
"""

import resource
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from torch.nn.functional import interpolate

from benchmarks.against_peer import arguments, measure, write
from condetr import ConditionalDetrImageProcessor
from condetr.images.masks.segmenting import Thresholds, segments_of

GOAL = 1.5
CLASSES = 250
OVERLAP = 0.5


class Case:
    """Network outputs of which ``kept`` queries score, with masks like hills."""

    def __init__(self, kept: int, *, queries: int, stride_size: tuple[int, int], size: tuple[int, int]) -> None:
        generator = torch.Generator().manual_seed(kept)
        logits = torch.full((1, queries, CLASSES), -12.0)
        chosen = torch.randperm(queries, generator=generator)[:kept]
        # never the last class, which the peer cannot find
        logits[0, chosen, torch.randint(CLASSES - 1, (kept,), generator=generator)] = 12.0
        hills = 4 * torch.randn(1, queries, 10, 12, generator=generator)
        masks = interpolate(hills, size=stride_size, mode="bilinear")
        self.outputs, self.sizes = SimpleNamespace(logits=logits, pred_masks=masks), [size]
        self.mine, self.peer = ConditionalDetrImageProcessor(), transformers.ConditionalDetrImageProcessor()

    def ours(self) -> None:
        self._segments_of(self.mine)

    def theirs(self) -> None:
        self._segments_of(self.peer)

    def _segments_of(self, processor: Any) -> None:
        processor.post_process_panoptic_segmentation(
            self.outputs, overlap_mask_area_threshold=OVERLAP, label_ids_to_fuse=set(), target_sizes=self.sizes
        )

    def deviation(self) -> float:
        """Share of the pixels that both give to a segment, and not to the same query."""
        self.outputs.logits = self.outputs.logits.double()
        limits = Thresholds(mask=0.0, overlap=0.0)
        (every,) = segments_of(self.outputs.logits, self.outputs.pred_masks, self.sizes, thresholds=limits)
        (their,) = self.peer.post_process_panoptic_segmentation(
            self.outputs, mask_threshold=0.5, overlap_mask_area_threshold=0.0, label_ids_to_fuse=set(),
            target_sizes=self.sizes,
        )  # fmt: skip
        labels = torch.tensor([0, *(one.label + 1 for one in every.segments)])[every.map.long()]
        others = torch.tensor([0, *(one["label_id"] + 1 for one in their["segments_info"])])[
            their["segmentation"].long()
        ]
        both = (labels > 0) & (others > 0)
        return (labels != others)[both].float().mean().item()


def main() -> None:
    options = arguments(__doc__)
    case = Case(300, queries=300, stride_size=(200, 267), size=(3000, 4000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    case.ours()
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"300 of 300 queries kept, 4000x3000: {more:.0f} MB more; one copy of all masks has 14400 MB")
    rows = []
    for queries, kept in ((100, 20), (300, 20), (300, 60)):
        case = Case(kept, queries=queries, stride_size=(200, 267), size=(480, 640))
        name = f"{kept} of {queries} queries kept, {CLASSES} classes, 640x480"
        deviation = case.deviation()
        rows.append(measure(name, case.ours, case.theirs, rounds=options.rounds, deviation=deviation, goal=GOAL))
    write(rows, options.json)


if __name__ == "__main__":
    main()
