"""OpenVINO with 8 bits: how much faster than transformers, and what the bundled detector loses by it.

python -m benchmarks.int8 [--rounds 5] [--threads 1] [--json FILE]

The ratio is of a ResNet-50 with random weights, whose answers in 8 bits mean nothing; what 8 bits cost is measured on
the bundled detector: AP on held-out scenes, in points, before and after. It may lose half a point. Weights have 8 bits
where the processor has VNNI, else 7.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import condetr
from benchmarks.against_peer import arguments, measure, write
from benchmarks.fast_forward import write_folder
from condetr.data.demo.scene_folder import write_scenes

GOAL = 4.0
SIZES = (480, 640), (800, 1066)
SCENES, CALIBRATED_ON = 100, 16


def lost(folder: Path) -> float:
    """Points of AP of the bundled detector."""
    write_scenes(folder / "scenes", train=CALIBRATED_ON, val=SCENES)
    model = condetr.load(device="cpu")
    images = folder / "scenes/train"
    model.export("openvino", output=folder / "digits", precision="int8", target="auto", pictures=str(images))
    before, after = (one.evaluate(folder / "scenes").ap for one in (model, condetr.load(folder / "digits")))
    return 100 * (before - after)


def write_noise(folder: Path) -> str:
    """Images to calibrate random weights on."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(2):
        pixels = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return str(folder)


def exported(weights: Path, folder: Path) -> torch.nn.Module:
    options = {"precision": "int8", "target": "auto", "pictures": write_noise(folder / "noise"), "verify": False}
    condetr.load(weights, device="cpu").export("openvino", output=folder / "resnet50", **options)
    return condetr.load(folder / "resnet50").network


def main() -> None:
    options = arguments(__doc__)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        theirs = write_folder(folder / "weights")
        ours, points = exported(folder / "weights", folder), lost(folder)
        print(f"the bundled detector loses {points:.2f} points of AP on {SCENES} held-out scenes")
        rows = []
        for size in SIZES:
            pixels, mask = torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.bool)
            with torch.inference_mode():
                scores = [run.logits.sigmoid() for run in (ours(pixels, mask), theirs(pixels, mask.long()))]
                row = measure(
                    f"int8, ResNet-50, {size[0]}x{size[1]}",
                    lambda p=pixels, m=mask: ours(p, m),
                    lambda p=pixels, m=mask: theirs(p, m.long()),
                    rounds=options.rounds,
                    deviation=(scores[0] - scores[1]).abs().max().item(),
                    goal=GOAL,
                    clock=clock,
                )
            rows.append(row | {"points_lost": points})
    write(rows, options.json)


if __name__ == "__main__":
    main()
