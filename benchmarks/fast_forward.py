"""The network as condetr runs it, with all that pays on this machine, against the newest transformers as it comes.

python -m benchmarks.fast_forward [--rounds 15] [--threads 1] [--json FILE]

Both sides answer the same images with the same weights; "error" is the largest difference of the class logits from
the same network in double precision, ours over theirs: the goal is at most 2. With one thread the times are CPU time.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from tests.scramble import scramble
from torch import nn

from benchmarks.against_peer import arguments, measure, write
from condetr.checkpoints.loading import load
from condetr.speed.accelerate import accelerate

GOALS = {(480, 640): 1.75, (800, 1066): 2.0}


def write_weights(
    folder: str, kind: type[nn.Module] = transformers.ConditionalDetrForObjectDetection, **settings: Any
) -> nn.Module:
    """Well spread, as in a trained network: residual branches are quiet, or sixteen blocks explode."""
    peer = scramble(kind(transformers.ConditionalDetrConfig(**settings))).eval()
    for name, scale in peer.named_buffers():
        if name.endswith("bn3.weight"):
            scale *= 0.2
    peer.save_pretrained(folder)
    return peer


def write_folder(folder: Path) -> nn.Module:
    """Such weights with their preprocessing, as `condetr.load` reads them."""
    folder.mkdir()
    peer = write_weights(str(folder))
    transformers.ConditionalDetrImageProcessor().save_pretrained(folder)
    return peer


def main() -> None:
    options = arguments(__doc__)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        theirs = write_weights(folder)
        plain = load(folder).detector.eval()
    start = time.process_time()
    ours = accelerate(plain, torch.device("cpu"))
    print(f"made in {time.process_time() - start:.2f} s: {'; '.join(ours.steps)}")
    rows = []
    for size, goal in GOALS.items():
        pixels, mask = torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.long)
        with torch.inference_mode():
            mine, their = ours(pixels), theirs(pixels, mask)
            deviation = (mine.logits - their.logits).abs().max().item()
            row = measure(
                f"ResNet-50, {size[0]}x{size[1]}, batch 1",
                lambda p=pixels: ours(p),
                lambda p=pixels, m=mask: theirs(p, m),
                rounds=options.rounds,
                deviation=deviation,
                goal=goal,
                clock=clock,
            )
            exact = plain.double()(pixels.double())
            plain.float()
            errors = [(one.double() - exact.logits).abs().max().item() for one in (mine.logits, their.logits)]
            print(f"{'':36} error {errors[0]:.1e} against {errors[1]:.1e}, {errors[0] / errors[1]:.2f} of theirs")
            rows.append(row | {"error": errors[0], "their_error": errors[1]})
    write(rows, options.json)


if __name__ == "__main__":
    main()
