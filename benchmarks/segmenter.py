"""Boxes, and masks of some queries, by the segmenter as condetr runs it; against itself as it is, and the peer's.

python -m benchmarks.segmenter [--rounds 15] [--threads 1] [--json FILE]

transformers makes masks of all 300 queries, whatever they found; condetr of those that are kept. "error" is the largest
difference of the mask logits from the same network in double precision, ours over theirs. With one thread the times are
CPU time.
"""

import tempfile
import time

import torch
import transformers
from torch import Tensor, nn

from benchmarks.against_peer import arguments, measure, write
from benchmarks.fast_forward import write_weights
from condetr.checkpoints.loading import load
from condetr.speed.accelerate import accelerate

SIZE = 480, 640
CASES = {(5, "itself as it is"): 1.0, (50, "itself as it is"): 1.0, (50, "transformers"): 1.5}  # goals
THEIR_ROUNDS = 3  # one takes the better part of a minute


def masks_of(segmenter: nn.Module, pixels: Tensor, queries: Tensor) -> Tensor:
    trace = segmenter.trace(pixels)
    segmenter.predict_last(trace)
    return segmenter.segment(trace, [queries])[0]


def main() -> None:
    options = arguments(__doc__)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        peer = write_weights(folder, transformers.ConditionalDetrForSegmentation)
        plain = load(folder).detector.eval()
    ours = accelerate(plain, torch.device("cpu"))
    pixels, mask = torch.randn(1, 3, *SIZE), torch.ones(1, *SIZE, dtype=torch.long)
    rows = []
    for (kept, name), goal in CASES.items():
        queries = torch.arange(0, 300, 300 // kept)

        def other(of_peer: bool = name == "transformers", queries: Tensor = queries) -> Tensor:
            return peer(pixels, mask).pred_masks[0, queries] if of_peer else masks_of(plain, pixels, queries)

        with torch.inference_mode():
            exact = masks_of(plain.double(), pixels.double(), queries)
            plain.float()
            mine, their = masks_of(ours, pixels, queries), other()
            row = measure(
                f"{kept} masks, {SIZE[0]}x{SIZE[1]}, over {name}",
                lambda q=queries: masks_of(ours, pixels, q),
                other,
                rounds=min(options.rounds, THEIR_ROUNDS) if name == "transformers" else options.rounds,
                deviation=(mine - their).abs().max().item(),
                goal=goal,
                clock=clock,
            )
        errors = [(one.double() - exact).abs().max().item() for one in (mine, their)]
        print(f"{'':36} error {errors[0]:.1e} against {errors[1]:.1e}, {errors[0] / errors[1]:.2f} of theirs")
        rows.append(row | {"error": errors[0], "their_error": errors[1]})
    write(rows, options.json)


if __name__ == "__main__":
    main()
