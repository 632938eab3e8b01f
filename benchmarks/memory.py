"""Memory: the peak of one forward pass over what the process held before, ours and the peer's; and a folder's.

python -m benchmarks.memory [--json FILE]

A process for each number. The folder has 1,000 images of several sizes, for the bundled model.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image

import condetr
from benchmarks.against_peer import arguments, write
from benchmarks.fast_forward import write_weights
from condetr.checkpoints.loading import load
from condetr.speed.accelerate import accelerate

IMAGES, SETTLED = 1000, 100  # after so many, every size has been seen


def of_forward(side: str, folder: str) -> float:
    pixels = torch.zeros(1, 3, 800, 1066)
    if side == "ours":
        network, rest = accelerate(load(folder).detector.eval(), torch.device("cpu")), ()
    else:
        network = transformers.ConditionalDetrForObjectDetection.from_pretrained(folder).eval()
        rest = (torch.ones(1, 800, 1066, dtype=torch.long),)
    before = megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # loading may have had a peak of its own
    with torch.inference_mode():
        network(pixels, *rest)
    return megabytes("VmHWM") - before


def of_folder(folder: str) -> float:
    """What predicting holds at the end beyond what it held when it had settled."""
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        height, width = rng.integers(64, 256, 2)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(f"{folder}/{number:04}.jpg")
    settled = 0.0
    for number, _ in enumerate(condetr.load(image_size=(128, 128)).stream(folder)):
        if number == SETTLED:
            settled = megabytes("VmRSS")
    return megabytes("VmRSS") - settled


def megabytes(kind: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def ask(*what: str) -> float:
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", *what], check=True, capture_output=True, text=True
    )
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory() as weights, tempfile.TemporaryDirectory() as images:
        write_weights(weights)
        forward = {f"{side}_mb": ask(side, weights) for side in ("ours", "theirs")}
        growth = ask("folder", images)
    rows = [
        {"case": "peak of a forward, ResNet-50, 800x1066", **forward},
        {"case": f"growth over {IMAGES} images", "ours_mb": growth},
    ]
    print(*rows, sep="\n")
    write(rows, options.json)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["folder"]:
        print(of_folder(sys.argv[2]))
    elif sys.argv[1:2] in (["ours"], ["theirs"]):
        print(of_forward(*sys.argv[1:]))
    else:
        main()
