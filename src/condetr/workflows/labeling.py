"""Labels from a model: detections as a dataset that people correct, and train on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path

from condetr.core.errors import DataError, UsageError
from condetr.core.names import LabelFormat
from condetr.data.checks.data_report import DataReport
from condetr.data.classes import Classes
from condetr.data.convert import check_outside, convert
from condetr.data.image_transfer import LINK, ImageTransfer
from condetr.data.predicted import Predicted
from condetr.data.records import Dataset, Example, Object
from condetr.images.detections import Detections
from condetr.images.file_formats import csv_rows
from condetr.images.masks.outlines import one_polygon, polygons_of_mask
from condetr.prediction.predictor import Failure
from condetr.prediction.thresholds import Thresholds
from condetr.workflows.labeling_resume import completed

TOLERANCE = 1.0  # pixels
_ONE_POLYGON = ("yolo", "cvat", "label-studio")  # for each object


@dataclass(frozen=True, slots=True)
class Labeled:
    """A dataset of a model's detections.

    Attributes:
        output: its folder.
        images: in it.
        objects: in it.
        failures: images that could not be read, and are not in it.
        before: images whose detections an earlier run, which was killed, had made.
        report: what was renamed, or what the format cannot hold.
    """

    output: Path
    images: int
    objects: int
    failures: tuple[Failure, ...]
    report: DataReport
    before: int = 0


@dataclass(slots=True)
class _Collected:
    positions: Mapping[int, int]  # of class ids in the table of classes
    examples: list[Example] = field(default_factory=list)
    scores: dict[Path, list[float]] = field(default_factory=dict)
    rows: list[tuple[str | int | float, ...]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def label(
    results: Iterable[Detections | Failure],
    output: str | Path,
    *,
    to: LabelFormat,
    names: Mapping[int, str],
    source_ids: Sequence[int] | None,
    thresholds: Thresholds,
    model: str,
    split: str = "train",
    tolerance: float | int = TOLERANCE,
    transfer: ImageTransfer = LINK,
    before: int = 0,
    resumed: bool = False,
) -> Labeled:
    """Write detections as the labels of their images.

    Args:
        results: of image files, of the model's task; those that failed are left out.
        output: a new folder, complete or absent.
        to: the format. Masks become polygons, where it has them.
        names: of every class id.
        source_ids: the category id of every class in the model's dataset, if known; COCO's categories get them.
        thresholds: detections must score higher.
        model: its name and version, for formats that name it.
        split: the name of the images' split.
        tolerance: pixels by which a polygon may miss the edge of its mask.
        transfer: how the images get there.
        before: how many results an earlier run had made.
        resumed: whether that run may have been killed after it had written these labels.

    Raises:
        DataError: no image could be read, or, for VOC, nothing was detected.
        UsageError: the folder is not new, or a result is not of an image file.
        StorageError: it cannot be written.
    """
    classes, positions = _classes_of(names, source_ids)
    found, folders = _Collected(positions), set[Path]()
    for result in results:
        if isinstance(result, Failure):
            found.failures.append(result)
        else:
            path = _file_of(result)
            if path.parent not in folders:
                folders.add(path.parent)
                check_outside(Path(output), [path.parent])
            _collect(found, path, thresholds.kept(result), joined=to in _ONE_POLYGON, tolerance=tolerance)
    if not found.examples:
        first = f"; the first reason is: {found.failures[0].error}" if found.failures else ""
        raise DataError(f"there is no image to label{first}", source=output)
    root = Path(commonpath([example.path.parent for example in found.examples]))
    dataset = Dataset(tuple(found.examples), classes, root, split)
    predicted = Predicted(found.scores, found.rows, model)
    written = resumed and completed(Path(output), predicted)
    report = DataReport() if written else convert({split: dataset}, output, to, transfer, predicted=predicted)
    objects = sum(len(example.objects) for example in found.examples)
    return Labeled(Path(output), len(found.examples), objects, tuple(found.failures), report, before)


def _classes_of(names: Mapping[int, str], source_ids: Sequence[int] | None) -> tuple[Classes, dict[int, int]]:
    """The classes of a model without ids that have no class (N/A), and the position of each id among them."""
    used = {label: name for label, name in sorted(names.items()) if name != "N/A"}
    ids = [source_ids[label] if source_ids is not None else label for label in used]
    positions = {label: position for position, label in enumerate(used)}
    return Classes(tuple(used.values()), tuple(ids)).distinct(), positions


def _collect(found: _Collected, path: Path, result: Detections, *, joined: bool, tolerance: float | int) -> None:
    objects, scores = [], []
    outlines = _outlines_of(result, joined=joined, tolerance=tolerance)
    for detection, outline in zip(result, outlines, strict=True):
        x1, y1, x2, y2 = detection.box
        if x2 <= x1 or y2 <= y1 or detection.label not in found.positions:
            continue
        area = (x2 - x1) * (y2 - y1)
        objects.append(Object(found.positions[detection.label], detection.box, area, segmentation=outline))
        scores.append(detection.score)
        found.rows += csv_rows([detection], result.source)
    found.examples.append(Example(path, result.size, len(found.examples) + 1, tuple(objects)))
    found.scores[path] = scores


def _outlines_of(result: Detections, *, joined: bool, tolerance: float | int) -> Iterator[list[list[float]] | None]:
    """The polygons of each detection; None where it has a box only."""
    for number in range(len(result)):
        if result.masks is None:
            yield None
            continue
        polygons = polygons_of_mask(result.masks[number], tolerance=tolerance)
        yield ([one_polygon(polygons)] if joined else polygons) if polygons else None


def _file_of(result: Detections) -> Path:
    if result.source is None or result.moment is not None or not Path(result.source).is_file():
        hint = "save it as an image file first"
        raise UsageError("is not an image file, so it cannot be labeled", source=result.source, hint=hint)
    return Path(result.source).absolute()
