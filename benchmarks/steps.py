"""What each step towards the fast copy gives: one on top of the other, all in turns, with the peer beside them.

python -m benchmarks.steps [--rounds 5] [--threads 1] [--json FILE]

The ratio of a row is over transformers, the gain over the row above it. "error" is the largest difference of the class
logits from the same network in double precision, over transformers' own. With one thread the times are CPU time.
"""

import tempfile
import time

import torch
from torch import nn

from benchmarks.against_peer import arguments, write
from benchmarks.fast_forward import GOALS, write_weights
from benchmarks.interleave import Comparison, in_turns
from condetr.checkpoints.loading import load
from condetr.speed.accelerate import accelerate, plan_acceleration

CPU = torch.device("cpu")


def ladder(plain: nn.Module) -> dict[str, nn.Module]:
    """The network as it is, and the copies after each step, by the name of the step."""
    rungs, model = {"as it is": plain}, plain
    for step in plan_acceleration(CPU, torch.float32).steps:
        before = getattr(model, "steps", ())
        model = step(model)
        for name in model.steps[len(before) :]:
            rungs[name] = model
    assert model.steps == accelerate(plain, CPU).steps
    return rungs


def main() -> None:
    options = arguments(__doc__)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        theirs = write_weights(folder)
        plain = load(folder).detector.eval()
    rungs, rows = ladder(plain), []
    for size in GOALS:
        pixels, mask = torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.long)
        with torch.inference_mode():
            exact = plain.double()(pixels.double()).logits
            plain.float()
            runs = {"transformers": lambda p=pixels, m=mask: theirs(p, m)}
            runs |= {name: lambda p=pixels, model=model: model(p) for name, model in rungs.items()}
            errors = [(run().logits.double() - exact).abs().max().item() for run in runs.values()]
            seconds = in_turns(list(runs.values()), options.rounds, clock)
        for number, (name, error) in enumerate(zip(runs, errors, strict=True)):
            peer, before, mine = (tuple(one[at] for one in seconds) for at in (0, max(0, number - 1), number))
            row = {"case": f"{size[0]}x{size[1]}: {name}", **Comparison(mine, peer).summary()}
            row |= {"gain": Comparison(mine, before).summary()["ratio"], "error": error / errors[0]}
            rows.append(row)
            print(
                f"{row['case']:80} {row['ratio']:5.2f}x ({row['low']:.2f} to {row['high']:.2f}), "
                f"{row['ours_ms']:7.1f} ms, gain {row['gain']:.3f}, error {row['error']:.2f} of theirs"
            )
    write(rows, options.json)


if __name__ == "__main__":
    main()
