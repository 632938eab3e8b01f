"""COCO panoptic annotations (https://cocodataset.org/#format-data): one JSON file, images, and a PNG for each.

An image without an annotation, or whose PNG cannot be used, is left out: it would teach that the image is empty.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, DataReport, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Id
from condetr.data.coco.panoptic_segments import Segments, read_segments
from condetr.data.coco.tables import classes_of, images_of, likeliest, lists_of
from condetr.data.records import Dataset, Example
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import id_of, mapping_of


def read_panoptic(
    annotations: Path, folders: Sequence[Path], png_folders: Sequence[Path], *, split: str = "all", masks: bool = False
) -> Dataset:
    """Everything usable; the rest is in the report, which may still refuse the dataset (`DataReport.refuse`).

    Args:
        annotations: the JSON file.
        folders: where the images may be.
        png_folders: where the PNGs may be.
        split: name of the split.
        masks: whether to check the pixels of every PNG.

    Raises:
        AnnotationError: the file is not COCO panoptic JSON.
        StorageError: it cannot be read.
    """
    content = lists_of(read_json(annotations), annotations)
    report, root = DataReport(), likeliest(folders, content["images"]).absolute()
    pngs = likeliest(png_folders, content["annotations"]).absolute()
    classes = classes_of(content["categories"], annotations, report)
    names, files = images_of(content["images"], root, annotations, report)
    segments: dict[Id, Segments] = {}
    annotated: set[Id] = set()
    for position, annotation in enumerate(content["annotations"]):
        with report.at(annotations, f"annotations[{position}]") as location:
            record = mapping_of(annotation)
            image_id = _image_of(record, location, names, annotated)
            if image_id in files:
                size = files[image_id][1]
                segments[image_id] = read_segments(record, classes, pngs, size, location, pixels=masks)
    for image_id in files.keys() - annotated:
        item = f"image {short_repr(image_id)}"
        report.add(ProblemKind.MISSING_LABELS, "has no annotation", source=annotations, item=item)
    examples = tuple(
        Example(path, size, image_id, segments[image_id].objects, segments[image_id].crowds, segments[image_id].path)
        for image_id, (path, size) in files.items()
        if image_id in segments
    )
    return Dataset(examples, classes, root, split, report)


def _image_of(record: Mapping[str, Any], location: Location, names: Mapping[Id, str], annotated: set[Id]) -> Id:
    """The id of the image that a record annotates; it is added to ``annotated``."""
    image_id = id_of(record, "image_id")
    location.item = f"annotation of image {short_repr(image_id)}"
    if image_id not in names:
        raise DataProblem(ProblemKind.ORPHAN_ANNOTATION, f"has the unknown image id {short_repr(image_id)}")
    if image_id in annotated:
        message = f"image {short_repr(image_id)} is annotated twice"
        raise DataProblem(ProblemKind.DUPLICATE_ANNOTATION_ID, message)
    annotated.add(image_id)
    return image_id
