"""From logits and boxes to scored boxes, against the newest transformers.

python -m benchmarks.postprocessing [--rounds 15] [--threads 1] [--json FILE]
"""

from types import SimpleNamespace

import torch
import transformers

from benchmarks.against_peer import arguments, measure, write
from condetr.images.scoring import detections_of

GOAL = 1.3
CALLS = 20  # a round; one call is too short to time


class Case:
    def __init__(self, batch: int) -> None:
        generator = torch.Generator().manual_seed(batch)
        logits = 2 * torch.randn(batch, 300, 91, generator=generator) - 5
        self.outputs = SimpleNamespace(logits=logits, pred_boxes=torch.rand(batch, 300, 4, generator=generator))
        self.sizes = torch.tensor([[480, 640]] * batch)
        self.peer = transformers.ConditionalDetrImageProcessor()

    def ours(self) -> None:
        for _ in range(CALLS):
            self.found = detections_of(self.outputs.logits, self.outputs.pred_boxes, self.sizes, threshold=0.3)

    def theirs(self) -> None:
        for _ in range(CALLS):
            self.expected = self.peer.post_process_object_detection(self.outputs, 0.3, self.sizes)

    def deviation(self) -> float:
        self.ours()
        self.theirs()
        pairs = zip(self.found, self.expected, strict=True)
        return max(
            (getattr(mine, key) - their[key]).abs().max().item() for mine, their in pairs for key in ("scores", "boxes")
        )


def main() -> None:
    options = arguments(__doc__)
    rows = []
    for batch in (1, 8):
        case = Case(batch)
        name = f"{CALLS} x batch {batch}, 300 queries, 91 classes"
        deviation = case.deviation()
        rows.append(measure(name, case.ours, case.theirs, rounds=options.rounds, deviation=deviation, goal=GOAL))
    write(rows, options.json)


if __name__ == "__main__":
    main()
