"""A file in, boxes out: a whole process each time, `condetr predict` against the object-detection pipeline of the peer.

python -m benchmarks.first_picture [--rounds 5] [--threads 1] [--json FILE]

Seconds are those that the processor worked for the process; memory is its peak, libraries and weights included.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import transformers
from PIL import Image

from benchmarks.against_peer import arguments, write
from benchmarks.fast_forward import write_weights
from benchmarks.interleave import Comparison

GOAL = 1 / 0.6
PEER = """
import sys, torch, transformers
torch.set_num_threads(1)
folder, picture = sys.argv[1:]
find = transformers.pipeline("object-detection", model=folder, device="cpu")
print(len(find(picture, threshold=0.0)))
"""


def cost_of(command: list[str]) -> tuple[float, float]:
    """Seconds of processor, and MB at the peak."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    options = arguments(__doc__)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        transformers.ConditionalDetrImageProcessor().save_pretrained(folder)
        picture = str(Path(folder) / "picture.jpg")
        noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
        Image.fromarray(noise).save(picture)
        ours = [sys.executable, "-m", "condetr", "predict", picture, "--model", folder, "--json", "--threshold", "0"]
        theirs = [sys.executable, "-c", PEER, folder, picture]
        costs = [(cost_of(ours), cost_of(theirs)) for _ in range(options.rounds + 1)][1:]
    seconds = Comparison(*(tuple(cost[side][0] for cost in costs) for side in (0, 1))).summary()
    peaks = {f"{side}_peak_mb": max(cost[n][1] for cost in costs) for n, side in enumerate(("ours", "theirs"))}
    row = {"case": "first picture, 480x640 file to boxes", **seconds, **peaks, "goal": GOAL}
    print(row)
    write([row], options.json)


if __name__ == "__main__":
    main()
