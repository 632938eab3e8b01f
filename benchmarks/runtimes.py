"""Every way to run one network on this processor: transformers, condetr, and exported graphs, in turns in one process.

python -m benchmarks.runtimes [--rounds 5] [--threads 1] [--json FILE]

A ResNet-50 with random weights, batch 1. The ratios are over transformers and over condetr's own accelerated network;
"deviation" is of the scores from transformers', and means nothing in int8, for the weights are random. With one thread
the times are CPU time.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from torch import nn

import condetr
from benchmarks.against_peer import arguments, write
from benchmarks.fast_forward import GOALS, write_weights
from benchmarks.interleave import in_turns
from condetr.checkpoints.loading import load
from condetr.core.processor import vector_units
from condetr.speed.accelerate import accelerate

GRAPHS = {
    "ONNX fp32": ("onnx", {}),
    "OpenVINO fp32": ("openvino", {}),
    "ONNX int8, weights of 7 bits": ("onnx", {"precision": "int8"}),
    "ONNX int8, weights of 8 bits": ("onnx", {"precision": "int8", "target": "vnni"}),
    "OpenVINO int8, weights of 7 bits": ("openvino", {"precision": "int8"}),
    "OpenVINO int8, weights of 8 bits": ("openvino", {"precision": "int8", "target": "vnni"}),
}


def networks(folder: Path) -> dict[str, nn.Module]:
    """The accelerated network and the graphs, by name."""
    noise, rng = folder / "noise", np.random.default_rng(0)
    noise.mkdir()
    for number in range(2):
        Image.fromarray(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)).save(noise / f"{number}.png")
    weights, found = folder / "weights", {}
    found["condetr, accelerated"] = accelerate(load(weights).detector.eval(), torch.device("cpu"))
    for name, (form, options) in GRAPHS.items():
        calibrated = {"pictures": str(noise), "verify": False} if options else {}
        condetr.load(weights, device="cpu").export(form, output=folder / name, **options, **calibrated)
        found[name] = condetr.load(folder / name).network
    return found


def main() -> None:
    options = arguments(__doc__)
    print(f"vector units: {', '.join(vector_units())}")
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "weights").mkdir()
        theirs = write_weights(str(folder / "weights"))
        transformers.ConditionalDetrImageProcessor().save_pretrained(folder / "weights")
        models, rows = networks(folder), []
        for size in GOALS:
            pixels, mask = torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.bool)
            runs = {"transformers": lambda p=pixels, m=mask: theirs(p, m.long())}
            runs |= {name: lambda p=pixels, m=mask, model=model: model(p, m) for name, model in models.items()}
            with torch.inference_mode():
                scores = [run().logits.sigmoid() for run in runs.values()]
                rounds = in_turns(list(runs.values()), options.rounds, clock)
            for number, name in enumerate(runs):
                row: dict[str, str | float] = {"case": f"{size[0]}x{size[1]}: {name}"}
                row["ms"] = 1000 * statistics.median(seconds[number] for seconds in rounds)
                ratios = [seconds[0] / seconds[number] for seconds in rounds]
                row["low"], row["ratio"], row["high"] = statistics.quantiles(ratios, n=4)
                row["over_condetr"] = statistics.median(seconds[1] / seconds[number] for seconds in rounds)
                row["deviation"] = (scores[number] - scores[0]).abs().max().item()
                rows.append(row)
                print(
                    f"{row['case']:44} {row['ms']:7.0f} ms, {row['ratio']:5.2f} of transformers ({row['low']:.2f} to"
                    f" {row['high']:.2f}), {row['over_condetr']:5.2f} of condetr, deviation {row['deviation']:.0e}"
                )
    write(rows, options.json)


if __name__ == "__main__":
    main()
