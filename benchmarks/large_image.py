"""The memory that an image much larger than the network's input takes with `condetr predict --tile`.

    python -m benchmarks.large_image FOLDER [--side 20000] [--tile 2048] [--format jpg]

The image is made once, row by row of the same noise. Peak memory is the kernel's ru_maxrss of the process, which counts
what it had in memory at one time, also of mapped files.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

PATCH = 1000  # pixels a side of the noise


def make(path: Path, side: int) -> Path:
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (PATCH // 8, PATCH // 8, 3), dtype=np.uint8)).resize((PATCH, PATCH))
    image = Image.new("RGB", (side, side))
    for top in range(0, side, PATCH):
        for left in range(0, side, PATCH):
            image.paste(noise, (left, top))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--tile", type=int, default=2_048)
    parser.add_argument("--format", default="jpg")
    parser.add_argument("--model", default="condetr/digits")
    options = parser.parse_args()
    name, output = f"{options.side}.{options.format}", options.folder / "output"
    making = os.fork()
    if making == 0:  # its memory is none of the measured process
        make(options.folder / name, options.side)
        os._exit(0)
    os.waitpid(making, 0)
    shutil.rmtree(output, ignore_errors=True)
    words = [str(options.folder / name), "--model", options.model, "--tile", str(options.tile), "--output", str(output)]
    limit = ["--max-pixels", str(options.side**2), "--save", "jsonl", "--quiet"]
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "condetr", "predict", *words, *limit])
    _, status, used = os.wait4(process.pid, 0)
    numbers = {
        "status": os.waitstatus_to_exitcode(status),
        "peak_mb": round(used.ru_maxrss * 1.024e-3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.monotonic() - began, 1),
        "file_mb": round((options.folder / name).stat().st_size / 1e6),
        "detections": len(json.loads((output / "predictions.jsonl").read_text())["detections"]),
    }
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
