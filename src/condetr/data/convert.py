"""A data set in any format written in another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from condetr.data.records import Dataset
from condetr.data.report import Report
from condetr.data.write_coco import write_coco
from condetr.data.write_panoptic import write_panoptic
from condetr.data.write_voc import write_voc
from condetr.data.write_yolo import write_yolo

Format: TypeAlias = Literal["coco", "coco-panoptic", "yolo", "voc"]
_WRITERS = {"coco": write_coco, "coco-panoptic": write_panoptic, "yolo": write_yolo, "voc": write_voc}


def convert(splits: Mapping[str, Dataset], folder: str | Path, to: Format) -> Report:
    """Write all splits into a new folder; the report says what was lost or renamed on the way.

    Raises:
        AnnotationError: masks are to be written, and the data set was read without them.
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    return _WRITERS[to](splits, folder)
