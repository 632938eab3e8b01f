"""COCO panoptic annotations (https://cocodataset.org/#format-data): one JSON file, images, and a PNG for each.

An image without an annotation, or whose PNG cannot be used, is left out: it would teach that nothing is there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from condetr.data.checks.data_report import Fault, Place, Report, shown
from condetr.data.checks.problems import Reason
from condetr.data.classes import Id
from condetr.data.coco.json_fields import id_of, object_of
from condetr.data.coco.panoptic_segments import Segments, read_segments
from condetr.data.coco.tables import classes_of, images_of, likeliest, lists_of
from condetr.data.records import Dataset, Example
from condetr.files.json_reading import read_json


def read_panoptic(
    annotations: Path, folders: Sequence[Path], png_folders: Sequence[Path], *, split: str = "all", masks: bool = False
) -> Dataset:
    """Everything usable; what is not is in the report, and may still have to be refused (`Report.refuse`).

    Args:
        annotations: the JSON file.
        folders: where the images may be.
        png_folders: where the PNGs may be.
        split: what to call the data set.
        masks: whether to check the pixels of every PNG.

    Raises:
        AnnotationError: the file is not COCO panoptic JSON.
        StorageError: it cannot be read.
    """
    content = lists_of(read_json(annotations), annotations)
    report, images = Report(), likeliest(folders, content["images"]).absolute()
    pngs = likeliest(png_folders, content["annotations"]).absolute()
    classes = classes_of(content["categories"], annotations, report)
    named, found = images_of(content["images"], images, annotations, report)
    read: dict[Id, Segments] = {}
    annotated: set[Id] = set()
    for position, given in enumerate(content["annotations"]):
        place = report.place(annotations, f"annotations[{position}]")
        try:
            table = object_of(given)
            image_id = _image_of(table, place, named, annotated)
            if image_id in found:
                size = found[image_id][1]
                read[image_id] = read_segments(table, classes, pngs, size, place, pixels=masks)
        except Fault as fault:
            place.add_fault(fault)
    for image_id in found.keys() - annotated:
        report.add(Reason.MISSING_LABELS, "has no annotation", source=annotations, item=f"image {shown(image_id)}")
    examples = tuple(
        Example(path, size, image_id, read[image_id].objects, read[image_id].crowds, read[image_id].path)
        for image_id, (path, size) in found.items()
        if image_id in read
    )
    return Dataset(examples, classes, images, split, report)


def _image_of(given: Mapping[str, Any], place: Place, named: Mapping[Id, str], annotated: set[Id]) -> Id:
    """The id of an image that has no annotation yet; it has one now."""
    image_id = id_of(given, "image_id")
    place.item = f"annotation of image {shown(image_id)}"
    if image_id not in named:
        raise Fault(Reason.ORPHAN_ANNOTATION, f"is of unknown image id {shown(image_id)}")
    if image_id in annotated:
        raise Fault(Reason.DUPLICATE_ANNOTATION_ID, f"image {shown(image_id)} is annotated twice")
    annotated.add(image_id)
    return image_id
