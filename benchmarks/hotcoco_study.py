"""How often hotcoco's evaluations agree with condetr's, on random data with crowds, ties, void pixels, empty images.

python -m benchmarks.hotcoco_study [--sets 200]

Not a benchmark of speed. It answers which of the modules in condetr/evaluation a function of hotcoco could replace.
A set counts as equal where all that a report needs is: every count exactly, every quotient to 1e-8.
"""

import argparse
import math
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
import torch
from hotcoco.panoptic import PanopticEval
from hotcoco.semantic import SemanticEval
from pycocotools import mask as coco_mask
from tests.plain_panoptic_quality import plain_quality
from tests.unit.evaluation.scored import columns

from condetr.data.records import Example, Object
from condetr.evaluation.coco_ap import accumulate
from condetr.evaluation.confusion import confusion_of
from condetr.evaluation.curves import curves_of
from condetr.evaluation.error_kinds import costs_of, counts_of
from condetr.evaluation.panoptic_quality import counts_of as panoptic_counts
from condetr.evaluation.panoptic_quality import panoptic_of
from condetr.evaluation.tide import match_detections
from condetr.images.detections import Detections
from condetr.images.masks.rle import rle_of_mask

IMAGES, CLASSES = 12, 4  # of a set of boxes
NAMES = ("a", "b", "c", "sky")
KINDS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
BOXES = {
    "boxes": {"crowds": 0.0},
    "boxes, ties of scores": {"crowds": 0.0, "ties": True},
    "boxes, ties of both": {"crowds": 0.0, "ties": True, "grid": True},  # of scores and of IoUs
    "boxes with crowds": {"crowds": 0.15},
    "boxes, few": {"crowds": 0.0, "most": 1, "times": 1},
}
SEGMENTS = {
    "segments": {"crowds": 0.0, "void": False},
    "segments, void pixels": {"crowds": 0.0, "void": True},
    "segments, a crowd a class": {"crowds": 0.25, "void": True},
    "segments, many crowds": {"crowds": 0.25, "void": True, "several": True},  # of one class in one image
}


def compare_boxes(seed: int, *, grid: bool = False, **options: Any) -> Iterator[tuple[str, bool]]:
    truth, found = columns(seed, images=IMAGES, classes=CLASSES, **options)
    if grid:
        truth, found = (replace(one, boxes=(one.boxes / 10).round() * 10 + (0, 0, 5, 5)) for one in (truth, found))
    objects = hotcoco.COCO.from_arrays(
        [{"id": number + 1} for number in range(IMAGES)],
        [{"id": number + 1, "name": NAMES[number]} for number in range(CLASSES)],
        truth.images + 1,
        truth.labels + 1,
        truth.boxes,
        area=truth.areas,
        iscrowd=truth.crowd.astype(np.int64),
    )
    rows = np.column_stack((found.images + 1, found.boxes, found.scores, found.labels + 1))
    theirs = hotcoco.COCOeval(objects, objects.load_res(rows), "bbox")
    theirs.evaluate()
    theirs.accumulate()
    matches, tide = match_detections(truth, found), theirs.tide_errors()
    ours = counts_of(matches)
    yield "TIDE counts", list(ours.values()) == [tide["counts"][kind] for kind in KINDS]
    costs = costs_of(truth, found, matches, images=IMAGES, classes=CLASSES)
    yield "TIDE costs", near(list(costs.values()), [tide["delta_ap"][kind] for kind in KINDS])
    matrix = confusion_of(truth, found, matches, NAMES, threshold=0.0).matrix
    yield "confusion matrix", np.array_equal(matrix, theirs.confusion_matrix(max_det=1000)["matrix"])
    curves = curves_of(accumulate(truth, found, images=IMAGES, classes=CLASSES), NAMES).by_class
    best = [curve.best_point() or (0.0, 0.0, 0.0) for curve in curves.values()]
    f1 = [2 * precision * recall / (precision + recall) if precision else 0.0 for precision, recall, _ in best]
    yield "mean best F1", near([float(np.mean(f1))] if f1 else [], [theirs.f_scores()["F1_50"]] if f1 else [])


def segment_images(seed: int, *, crowds: float, void: bool, several: bool = False) -> list[tuple[Any, ...]]:
    """(truth, {number: (class, is_crowd)}, answer, {number: class}); the last image is empty, on both sides."""
    rng, side, images = np.random.default_rng(seed), 24, []
    for _ in range(6):
        truth = np.zeros((side, side), dtype=np.int64) if void else np.full((side, side), 7, dtype=np.int64)
        for number in range(1, 7):
            y, x = rng.integers(0, side - 6, 2)
            truth[y : y + rng.integers(4, 14), x : x + rng.integers(4, 14)] = number
        answer = np.roll(truth, rng.integers(-2, 3, 2), axis=(0, 1))
        answer[answer == 6] = 0
        names = {n: (int(rng.integers(3)), bool(rng.random() < crowds)) for n in np.unique(truth).tolist() if n}
        if not several:
            first = {label: number for number, (label, crowd) in reversed(names.items()) if crowd}
            names = {number: (label, first.get(label) == number) for number, (label, _) in names.items()}
        found = {n: names[n][0] if n in names and rng.random() < 0.8 else int(rng.integers(4)) for n in range(1, 8)}
        found = {n: found[n] for n in np.unique(answer).tolist() if n}
        images.append((truth, names, answer, found))
    nothing = np.zeros((side, side), dtype=np.int64)
    return [*images, (nothing, {}, nothing, {})]


def compare_segments(seed: int, **options: Any) -> Iterator[tuple[str, bool]]:
    images = segment_images(seed, **options)
    with tempfile.TemporaryDirectory() as folder:
        counts = [
            panoptic_counts(example_of(Path(folder) / "none.jpg", truth, names), detections_of(answer, found), CLASSES)
            for truth, names, answer, found in images
        ]
    ours = panoptic_of(counts, NAMES, stuff=(3,))
    plain, pixels = plain_quality(images, CLASSES)
    triples = {NAMES.index(name): (one.pq, one.sq, one.rq) for name, one in ours.per_class.items()}
    flat = [value for label in sorted(plain) for value in plain[label]]
    yield (
        "panoptic quality, plain test rule",
        triples.keys() == plain.keys() and near([value for label in sorted(triples) for value in triples[label]], flat),
    )
    evaluated = PanopticEval(*panoptic_datasets(images))
    evaluated.evaluate()
    theirs = {number - 1: row for number, row in evaluated.results()["per_class"].items()}
    present = {label for label, row in theirs.items() if row["tp"] + row["fp"] + row["fn"]}
    yield (
        "panoptic quality, hotcoco",
        triples.keys() == present
        and near(
            [value for label in sorted(present) for value in triples[label]],
            [theirs[label][key] for label in sorted(present) for key in ("pq", "sq", "rq")],
        ),
    )
    semantic = SemanticEval(CLASSES + 1)
    for truth, names, answer, found in images:
        classes = [np.vectorize({0: 255, **{n: c for n, (c, _) in names.items()}}.get)(truth)]
        classes.append(np.vectorize({0: CLASSES, **found}.get)(answer))
        semantic.update(*classes)
    confusion = semantic.confusion()
    table = confusion[:CLASSES].astype(np.int64)
    union = table.sum(1) + confusion[:, :CLASSES].sum(0).astype(np.int64) - table.diagonal()
    mean = [float((table.diagonal()[union > 0] / union[union > 0]).mean())] if union.any() else []
    yield "mean IoU", near([] if ours.miou is None else [ours.miou], mean)
    assert near([ours.miou or 0.0], [float(np.mean(list(pixels.values()))) if pixels else 0.0])


def example_of(path: Path, truth: np.ndarray, names: dict[int, tuple[int, bool]]) -> Example:
    each = [
        (Object(label, (0.0, 0.0, 1.0, 1.0), 1.0, number, rle_of_mask(torch.from_numpy(truth == number))), crowd)
        for number, (label, crowd) in names.items()
    ]
    objects, crowds = (tuple(one for one, crowd in each if crowd is wanted) for wanted in (False, True))
    return Example(path, truth.shape, 1, objects, crowds)


def detections_of(answer: np.ndarray, found: dict[int, int]) -> Detections:
    numbers = np.zeros(9, dtype=np.int32)
    numbers[sorted(found)] = np.arange(1, len(found) + 1)
    labels = [found[number] for number in sorted(found)]
    return Detections(
        boxes=torch.zeros(len(found), 4),
        scores=torch.ones(len(found)),
        labels=torch.tensor(labels, dtype=torch.int64),
        names=tuple(NAMES[label] for label in labels),
        size=answer.shape,
        segments=torch.from_numpy(numbers[answer]),
    )


def panoptic_datasets(images: list[tuple[Any, ...]]) -> Iterator[hotcoco.COCO]:
    """One of the truth and one of the answers, an annotation for each segment."""
    categories = [{"id": n + 1, "name": name, "isthing": int(n < 3)} for n, name in enumerate(NAMES)]
    records = [{"id": n + 1, "height": 24, "width": 24} for n in range(len(images))]
    for which in (0, 2):
        rows: list[dict[str, Any]] = []
        for image, parts in enumerate(images):
            for number, label in parts[which + 1].items():
                label, crowd = label if which == 0 else (label, False)
                runs = coco_mask.encode(np.asfortranarray((parts[which] == number).astype(np.uint8)))
                row = {"id": len(rows) + 1, "image_id": image + 1, "category_id": label + 1, "iscrowd": int(crowd)}
                area, box = int(coco_mask.area(runs)), coco_mask.toBbox(runs).tolist()
                runs["counts"] = runs["counts"].decode()
                rows.append(row | {"segmentation": runs, "area": area, "bbox": box})
        yield hotcoco.COCO({"images": records, "annotations": rows, "categories": categories})


def near(ours: list[float], theirs: list[float]) -> bool:
    return len(ours) == len(theirs) and all(
        math.isclose(one, other, abs_tol=1e-8) for one, other in zip(ours, theirs, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=200)
    sets = parser.parse_args().sets
    print(f"hotcoco {hotcoco.__version__}, {sets} random sets each")
    for compare, cases in ((compare_boxes, BOXES), (compare_segments, SEGMENTS)):
        for name, options in cases.items():
            equal: Counter[str] = Counter()
            for seed in range(sets):
                equal.update({what: int(agrees) for what, agrees in compare(seed, **options)})
            for what, number in equal.items():
                print(f"{name:26} {what:36} equal in {number} of {sets}")


if __name__ == "__main__":
    main()
