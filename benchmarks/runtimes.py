"""Every way to run one network on this processor: transformers, condetr, and exported graphs, in turns in one process.

python -m benchmarks.runtimes [--rounds 5] [--threads 1] [--json FILE]

A ResNet-50 with random weights, batch 1. The ratios are over transformers and over condetr's own accelerated network;
"deviation" is of the scores from transformers', and means nothing in int8, for the weights are random. With one thread
the times are CPU time.
"""

import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import condetr
from benchmarks.against_peer import arguments, write
from benchmarks.fast_forward import GOALS, write_folder
from benchmarks.int8 import write_noise
from benchmarks.interleave import Comparison, in_turns
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
    noise, weights, found = write_noise(folder / "noise"), folder / "weights", {}
    found["condetr, accelerated"] = accelerate(load(weights).detector.eval(), torch.device("cpu"))
    for name, (form, options) in GRAPHS.items():
        calibrated = {"pictures": noise, "verify": False} if options else {}
        condetr.load(weights, device="cpu").export(form, output=folder / name, **options, **calibrated)
        found[name] = condetr.load(folder / name).network
    return found


def main() -> None:
    options = arguments(__doc__)
    print(f"vector units: {', '.join(vector_units())}")
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs = write_folder(folder / "weights")
        models, rows = networks(folder), []
        for size in GOALS:
            pixels, mask = torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.bool)
            runs = {"transformers": lambda p=pixels, m=mask: theirs(p, m.long())}
            runs |= {name: lambda p=pixels, m=mask, model=model: model(p, m) for name, model in models.items()}
            with torch.inference_mode():
                scores = [run().logits.sigmoid() for run in runs.values()]
                rounds = in_turns(list(runs.values()), options.rounds, clock)
            for number, name in enumerate(runs):
                peer, accelerated, mine = (tuple(seconds[at] for seconds in rounds) for at in (0, 1, number))
                row = {"case": f"{size[0]}x{size[1]}: {name}", **Comparison(mine, peer).summary()}
                row["over_condetr"] = Comparison(mine, accelerated).summary()["ratio"]
                row["deviation"] = (scores[number] - scores[0]).abs().max().item()
                rows.append(row)
                print(
                    f"{row['case']:44} {row['ours_ms']:7.0f} ms, {row['ratio']:5.2f} of transformers"
                    f" ({row['low']:.2f} to {row['high']:.2f}), {row['over_condetr']:5.2f} of condetr,"
                    f" deviation {row['deviation']:.0e}"
                )
    write(rows, options.json)


if __name__ == "__main__":
    main()
