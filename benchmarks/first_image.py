"""A file in, boxes out: a whole process each time, `condetr predict` against the object-detection pipeline of the peer.

python -m benchmarks.first_image [--rounds 5] [--threads 1] [--json FILE]

Seconds are those that the processor worked for the process; memory is its peak, libraries and weights included. The
deviation is the largest difference of the hundred best scores.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import transformers
from PIL import Image

from benchmarks.against_peer import arguments, report, write
from benchmarks.fast_forward import write_weights
from benchmarks.interleave import Comparison

GOAL = 1 / 0.6
PEER = """
import json, sys, torch, transformers
torch.set_num_threads(int(sys.argv[3]))
find = transformers.pipeline("object-detection", model=sys.argv[1], device="cpu")
print(json.dumps([found["score"] for found in find(sys.argv[2], threshold=0.0)]))
"""


@dataclass(frozen=True)
class Cost:
    """Of a process: seconds of the processor, MB at the peak, and what it said."""

    seconds: float
    peak: float
    answer: str


def cost_of(command: list[str]) -> Cost:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        answer = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, answer)


def deviation(ours: str, theirs: str) -> float:
    """Of what both said about one image."""
    mine = [found["score"] for found in json.loads(ours)["results"][0]["detections"]]
    their = json.loads(theirs.splitlines()[-1])
    return float(np.abs(np.sort(mine) - np.sort(their)).max())


def main() -> None:
    options = arguments(__doc__)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        transformers.ConditionalDetrImageProcessor().save_pretrained(folder)
        image = str(Path(folder) / "picture.jpg")
        noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
        Image.fromarray(noise).save(image)
        ours = [sys.executable, "-m", "condetr", "predict", image, "--model", folder, "--json", "--threshold", "0"]
        theirs = [sys.executable, "-c", PEER, folder, image, str(options.threads)]
        costs = [(cost_of(ours), cost_of(theirs)) for _ in range(options.rounds + 1)][1:]
    seconds = Comparison(*(tuple(cost[side].seconds for cost in costs) for side in (0, 1)))
    peaks = {f"{side}_peak_mb": max(cost[n].peak for cost in costs) for n, side in enumerate(("ours", "theirs"))}
    apart = deviation(*(cost.answer for cost in costs[0]))
    row = report("first image, 480x640 file to boxes", seconds, deviation=apart, goal=GOAL)
    print({name: round(peak) for name, peak in peaks.items()})
    write([row | peaks], options.json)


if __name__ == "__main__":
    main()
