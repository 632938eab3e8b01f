"""What a start of a training costs at the size of COCO: the first, which reads the labels, and those after it.

The set has COCO's 118,287 images and 860,001 objects: labels are drawn, and the images are links to few small files. It
is made once in the folder that is named, and used again.

    python -m benchmarks.columns_study FOLDER [--masks] [--images N]

Each start is a process of its own that calls `train_val_of`, as a training does, and what a training asks of the
labels before its first step; two loader workers then take a batch each. CPU seconds are those of the kernel's
accounting (user and system, all threads): ``labels_cpu_s`` until labels and image headers are read, ``data_cpu_s``
until all pixels are checked, too, and all is kept; ``cpu_s`` all in all, with the import of torch. Memory is of
smaps_rollup, in MB of 10^6 bytes: ``private_mb`` is Private_Dirty, which cannot be read again from a file, and
``clean_mb`` Private_Clean: pages of files, such as that of the columns, that no other process has mapped now.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

IMAGES, OBJECTS, CLASSES = 118_287, 860_001, 80
VAL = 500  # images
SIZES = ((128, 96), (96, 128), (128, 85), (100, 75), (128, 128))  # width, height: a fifth of COCO's
Original: TypeAlias = tuple[Path, int, int]  # an image file, its width and height
FILES = 4  # of each size; a file system allows some ten thousand links to a file


def make(root: Path, images: int = IMAGES, objects: int = OBJECTS) -> Path:
    """The set, as COCO's folder; polygons of 4 to 40 corners, one object in a hundred a crowd."""
    if (root / "annotations" / "instances_train2017.json").is_file():
        return root
    rng = np.random.default_rng(0)
    originals = _originals(root / "originals", rng)
    first = 1
    for split, count, total in (("val2017", VAL, VAL * 7), ("train2017", images, objects)):
        (root / split).mkdir(parents=True)
        (root / "annotations").mkdir(exist_ok=True)
        unfinished = root / "annotations" / f"{split}.unfinished"
        with unfinished.open("w") as file:
            file.writelines(_content(root / split, originals, count, total, first, rng))
        unfinished.rename(root / "annotations" / f"instances_{split}.json")
        first += count
    return root


def _originals(folder: Path, rng: np.random.Generator) -> list[Original]:
    folder.mkdir(parents=True)
    files = []
    for width, height in SIZES:
        for number in range(FILES):
            path = folder / f"{width}x{height}-{number}.jpg"
            grain = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
            Image.fromarray(grain).resize((width, height)).save(path, quality=60)
            files.append((path, width, height))
    return files


def _content(
    folder: Path,
    originals: list[Original],
    images: int,
    objects: int,
    first: int,
    rng: np.random.Generator,
) -> Iterator[str]:
    """The text of the JSON file, in parts."""
    of_image = np.sort(rng.integers(0, images, objects)).tolist()
    values = zip(
        rng.beta(1, 4, (objects, 2)).tolist(),
        rng.random((objects, 2)).tolist(),
        (rng.zipf(1.3, objects) % CLASSES + 1).tolist(),
        rng.integers(0, 256, objects).tolist(),
        (rng.random(objects) < 0.01).tolist(),
        strict=True,
    )
    outlines = [_outline(int(rng.integers(4, 41)), rng) for _ in range(256)]
    yield '{"images":['
    for number in range(images):
        original, width, height = originals[number % len(originals)]
        name = f"{first + number:012d}.jpg"
        os.link(original, folder / name)
        record = {"id": first + number, "file_name": name, "width": width, "height": height}
        yield ("," if number else "") + json.dumps(record)
    yield '],"annotations":['
    for row, (image, (sides, corner, category, outline, is_crowd)) in enumerate(zip(of_image, values, strict=True)):
        _, width, height = originals[image % len(originals)]
        w, h = max(3.0, width * sides[0]), max(3.0, height * sides[1])
        x, y = corner[0] * (width - w), corner[1] * (height - h)
        points = (outlines[outline] * (w, h) + (x, y)).round(2).reshape(-1).tolist()
        half = width * height // 2
        crowd = {"size": [height, width], "counts": [half, 100, width * height - half - 100]}
        record = {
            "id": 100 * first + row,
            "image_id": first + image,
            "category_id": category,
            "iscrowd": int(is_crowd),
            "bbox": [round(value, 2) for value in (x, y, w, h)],
            "area": round(w * h * 0.6, 4),
            "segmentation": crowd if is_crowd else [points],
        }
        yield ("," if row else "") + json.dumps(record, separators=(",", ":"))
    yield '],"categories":' + json.dumps([{"id": n, "name": f"class {n}"} for n in range(1, CLASSES + 1)]) + "}"


def _outline(corners: int, rng: np.random.Generator) -> np.ndarray:
    """x and y of corners around the middle of the unit square."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    return np.column_stack((1 + np.cos(angles), 1 + np.sin(angles))) / 2


def start(root: Path, *, masks: bool, workers: int) -> dict[str, object]:
    """What one process does before its first step, and two workers for their first batches."""
    begun = _cpu_seconds()
    import torch

    from condetr.data.checked_data import Watcher
    from condetr.data.checks.statistics import statistics_of
    from condetr.data.train_val import train_val_of
    from condetr.images.preprocessing import Preprocessing
    from condetr.training.input.data_loader import batches_of_steps
    from condetr.training.input.dataset import TrainingDataset
    from condetr.training.input.sampling import Sampling
    from condetr.training.preparation import largest_size
    from condetr.training.progress import Position

    torch.set_num_threads(1)
    imported = _cpu_seconds()
    found: dict[str, object] = {"import_cpu_s": imported - begun, "import_private_mb": _private_mb(os.getpid())}

    def checks_pixels(_: int) -> Callable[[], None]:
        found["labels_cpu_s"] = _cpu_seconds() - imported
        return lambda: None

    parts = train_val_of(root, masks=masks, watcher=Watcher(images=checks_pixels))
    found["data_cpu_s"] = _cpu_seconds() - imported
    preprocessing = Preprocessing()
    statistics_of(parts.train)
    largest_size(preprocessing, parts.train)
    found["fingerprint"] = parts.train.fingerprint()[:12]
    found["images"], found["val_images"] = len(parts.train), 0 if parts.val is None else len(parts.val)
    found["cpu_s"], found["private_mb"] = _cpu_seconds() - begun, _private_mb(os.getpid())
    found["clean_mb"] = _private_mb(os.getpid(), "Clean")
    images = TrainingDataset(parts.train, _same, preprocessing, seed=0, masks=masks)
    sampling = Sampling(len(parts.train), 0, 2)
    feed = batches_of_steps(images, sampling, Position(0, 0), 20, workers=workers, pin=False)
    for _ in range(10):
        next(feed)
    found["worker_private_mb"] = [_private_mb(pid) for pid in _children()]
    found["worker_clean_mb"] = [_private_mb(pid, "Clean") for pid in _children()]
    feed.close()
    return found


def _same(sample):
    return sample


def _cpu_seconds() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _private_mb(pid: int, kind: str = "Dirty") -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return round(sum(int(line.split()[1]) for line in lines if line.startswith(f"Private_{kind}")) * 1.024e-3, 1)


def _children() -> list[int]:
    import multiprocessing

    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def _started(root: Path, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.columns_study", str(root), "--start"]
    command += ["--masks"] if arguments.masks else []
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--masks", action="store_true")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--start", action="store_true", help="what the study does in each of its processes")
    arguments = parser.parse_args()
    if arguments.start:
        print(json.dumps(start(arguments.folder, masks=arguments.masks, workers=2)))
        return
    root = make(arguments.folder, arguments.images, OBJECTS * arguments.images // IMAGES)
    os.environ.setdefault("CONDETR_DATA_CACHE", str(arguments.folder.absolute().with_name("columns-study-cache")))
    for title, count in (("first start", 1), ("second start", 1), ("two processes at once", 2)):
        began = time.monotonic()
        processes = [_started(root, arguments) for _ in range(count)]
        for process in processes:
            answer, _ = process.communicate()
            print(f"{title}: {answer.strip()}, {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
