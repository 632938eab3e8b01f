"""The parts of docs/scale.md that grow with the number of images: what each costs for one image.

    python -m benchmarks.scale_parts FOLDER [--images 100000] [--samples 100]

Listing, journal, tables and resume use names only; images of 640x480 pixels are made for decoding and for samples of a
training at COCO's sizes. CPU time of this process, and growth of its private memory.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

import numpy as np
import torch
from PIL import Image

from benchmarks.columns_study import _private_mb
from condetr.images.decoding.decode import decode
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.prediction.group_commit import MOST, GroupCommit
from condetr.prediction.input.listing import Listing
from condetr.prediction.results_folder import PREDICTIONS, claim
from condetr.prediction.results_log import Journal
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sources import ImageSource
from condetr.prediction.tables import Classes, write_tables

OBJECTS = 7  # of an image, as in COCO
LABELS = {0: "cat"}


@contextmanager
def measured(name: str, count: int, found: dict[str, object]) -> Iterator[None]:
    gc.collect()
    before, cpu = _private_mb(os.getpid()), time.process_time()
    yield
    found[name] = {
        "cpu_us": round((time.process_time() - cpu) / count * 1e6, 1),
        "bytes": round(max(0.0, _private_mb(os.getpid()) - before) / count * 1e6),
    }


def result_of(path: str) -> Detections:
    corner = torch.rand(OBJECTS, 2) * 300
    return Detections(
        boxes=torch.cat((corner, corner + 50), dim=1),
        scores=torch.rand(OBJECTS),
        labels=torch.zeros(OBJECTS, dtype=torch.int64),
        names=("cat",) * OBJECTS,
        size=(480, 640),
        source=path,
    )


def prediction(folder: Path, count: int, found: dict[str, object]) -> None:
    images, output = folder / "names", folder / "results"
    for number in range(count):
        path = images / f"{number // 1000:04d}" / f"{number:08d}.jpg"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with measured("listing of one folder", count, found):
        listing = Listing([str(images)])
        assert sum(1 for _ in listing) == count
    del listing
    with measured("listing of several sources", count, found):
        listing = Listing([str(path) for path in sorted(images.iterdir())])
        assert sum(1 for _ in listing) == count
    del listing
    output.mkdir(exist_ok=True)
    names = [str(images / f"{number // 1000:04d}" / f"{number:08d}.jpg") for number in range(count)]
    results = [result_of(name) for name in names[:MOST]]
    journal = Journal(output / PREDICTIONS)
    group = GroupCommit(journal)
    with measured("a line of the journal", count, found):
        for number, name in enumerate(names):
            group.add(results[number % MOST].to_dict() | {"source": name, "output": name[-17:-4]}, [])
        group.commit()
    journal.close()
    found["bytes of a line"] = round((output / PREDICTIONS).stat().st_size / count)
    began = time.monotonic()
    journal = Journal(output / "waits.jsonl")
    for _ in range(100):
        journal.add({"source": "", "output": ""})
        journal.reach_disk()
    journal.close()
    found["ms to reach the disk"] = round((time.monotonic() - began) * 10, 2)
    tables = {name: output / name for name in ("predictions.csv", "coco_results.json", "coco_images.json")}
    with measured("csv and coco tables", count, found):
        write_tables(output / PREDICTIONS, tables, Classes(names=LABELS))
    with claim(output.with_name("resumed"), "refuse"):
        (output / PREDICTIONS).rename(output.with_name("resumed") / PREDICTIONS)
        with measured("resume", count, found):
            writer = ResultWriter(
                output.with_name("resumed"), ["jsonl"], run={}, about={}, overwrite=False, labels=LABELS
            )
        assert writer.is_done(ImageSource(names[0], PurePath(names[0]), names[0]))


def samples(folder: Path, count: int, found: dict[str, object]) -> None:
    """Decoding, and the samples of a training, on images with the size and grain of photographs."""
    rng, paths = np.random.default_rng(0), []
    for number in range(10):
        grain = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
        noise = rng.normal(0, 6, (480, 640, 3))
        image = np.asarray(Image.fromarray(grain).resize((640, 480)), dtype=np.float64) + noise
        path = folder / f"photo-{number}.jpg"
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=90)
        paths.append(path)
    found["KB of a JPEG file of 640x480"] = round(sum(path.stat().st_size for path in paths) / 10_000)
    preprocessing = Preprocessing()
    for name, work in _works(preprocessing).items():
        work(paths[:1])
        with measured(name, count, found):
            for number in range(count):
                work([paths[number % 10]])


def _works(preprocessing: Preprocessing) -> dict[str, Callable[[Sequence[Path]], object]]:
    from condetr.data.augmentation.presets import augmentation_of
    from condetr.data.classes import Classes as LabelClasses
    from condetr.data.records import Dataset, Example, Object, SampleIndex
    from condetr.training.input.dataset import TrainingDataset

    augmentation = augmentation_of("detr", preprocessing.size)
    step = iter(range(10**9))

    def sample(paths: Sequence[Path]) -> object:
        objects = tuple(Object(0, (100.0, 100.0, 300.0, 300.0), 4e4, number) for number in range(OBJECTS))
        examples = [Example(paths[0], (480, 640), 0, objects)]
        dataset = Dataset(examples, LabelClasses(("cat",), (0,)), paths[0].parent)
        index = SampleIndex(0, next(step), 0)
        return TrainingDataset(dataset, augmentation, preprocessing, seed=0)[[index]]

    return {
        "decoding": lambda paths: decode(paths[0]),
        "decoding and resizing to 800x1066": lambda paths: preprocessing.prepare([decode(paths[0])]),
        "a sample of a training, detr augmentation": sample,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True)
    found: dict[str, object] = {}
    samples(options.folder, options.samples, found)
    prediction(options.folder, options.images, found)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
