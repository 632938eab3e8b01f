"""The bundled small models and other detectors as ONNX, on one core: the network, and a folder of images.

python -m benchmarks.small_sizes OTHER.onnx [OTHER.onnx ...] [--images FOLDER] [--rounds 7] [--json FILE]

OTHER takes one float32 input (batch, 3, height, width) of sizes that are multiples of 32, as ultralytics exports:
`YOLO("yolo11n.yaml").export(format="onnx", dynamic=True)`. All networks get the same sizes and run with onnxruntime;
the fast path of condetr is beside them. With --images, files are read, resized and run one by one: in condetr at the
size of the model's preprocessing, to boxes; in the others to fit 640 pixels, without what comes after the network.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image

import condetr
from benchmarks.interleave import in_turns, machine
from condetr.core.denormals import denormals_as_zero
from condetr.core.processor import vector_units

SIZES = (320, 320), (480, 640), (640, 640)
OURS = "condetr/nano", "condetr/small"
SIDE = 640


def opened(file: Path) -> Callable[[np.ndarray], object]:
    """Runs a graph with denormal numbers as zero, as condetr does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (value,) = session.get_inputs()

    @denormals_as_zero()
    def run(pixels: np.ndarray) -> object:
        return session.run(None, {value.name: pixels})

    return run


def networks(others: list[Path], folder: Path) -> dict[str, Callable[[torch.Tensor], object]]:
    """Each from pixels to its outputs, by name."""
    found: dict[str, Callable[[torch.Tensor], object]] = {}
    for name in OURS:
        model = condetr.load(name, device="cpu")
        found[f"{name}, PyTorch"] = model.inference_model
        model.export("onnx", output=folder / name.replace("/", "-"))
        found[f"{name}, ONNX"] = condetr.load(folder / name.replace("/", "-")).network
    for file in others:
        graph = opened(file)
        found[f"{file.stem}, ONNX"] = lambda pixels, run=graph: run(pixels.numpy())
    return found


def from_files(others: list[Path], files: list[Path]) -> dict[str, Callable[[], object]]:
    """All images of a folder, one by one, by name."""
    found: dict[str, Callable[[], object]] = {}
    for name in OURS:
        model = condetr.load(name, device="cpu")
        found[name] = lambda model=model: list(model.predict(files))
    for file in others:
        graph = opened(file)
        found[file.stem] = lambda run=graph: [run(letterboxed(image)) for image in files]
    return found


def letterboxed(file: Path) -> np.ndarray:
    """An image that fits ``SIDE``, padded to multiples of 32, as detectors of this family take it."""
    with Image.open(file) as opened:
        scale = SIDE / max(opened.size)
        size = [max(1, round(side * scale)) for side in opened.size]
        pixels = np.asarray(opened.convert("RGB").resize(size, Image.Resampling.BILINEAR))
    height, width = (-(-side // 32) * 32 for side in pixels.shape[:2])
    padded = np.full((height, width, 3), 114, np.uint8)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32) / 255


def table(title: str, runs: dict[str, Callable[[], object]], rounds: int, images: int) -> list[dict[str, Any]]:
    seconds, rows = in_turns(list(runs.values()), rounds, time.process_time), []
    for number, name in enumerate(runs):
        each = statistics.median(round_[number] for round_ in seconds) / images
        rows.append({"case": f"{title}: {name}", "ms": 1000 * each, "images_per_second": 1 / each})
        print(f"{rows[-1]['case']:48} {1000 * each:7.1f} ms an image, {1 / each:6.1f} images a second")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("others", type=Path, nargs="*")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(", ".join(f"{key} {value}" for key, value in machine().items()), *vector_units())
    rows = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        models = networks(options.others, Path(folder))
        for height, width in SIZES:
            pixels = torch.randn(1, 3, height, width)
            runs = {name: lambda pixels=pixels, model=model: model(pixels) for name, model in models.items()}
            rows += table(f"{height}x{width}", runs, options.rounds, 1)
    if options.images is not None:
        files = sorted(options.images.glob("*.jpg"))
        rows += table(f"{len(files)} files", from_files(options.others, files), max(2, options.rounds // 3), len(files))
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
