"""Tables of a whole run, made from its journal in one pass: CSV, COCO and COCO panoptic results."""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, Any

import numpy as np

from condetr.core.errors import StorageError
from condetr.core.names import ResultFormat
from condetr.images.detection import Detection
from condetr.images.file_formats import coco_rows, csv_rows, csv_text, segment_rows
from condetr.images.saving import text_bytes
from condetr.prediction.parquet_table import PARQUET, ParquetTable
from condetr.prediction.results_log import latest_entries_of, sources_of

CSV, COCO_RESULTS, COCO_IMAGES = "predictions.csv", "coco_results.json", "coco_images.json"
COCO_PANOPTIC = "coco_panoptic.json"
TABLES = (CSV, COCO_RESULTS, COCO_IMAGES, COCO_PANOPTIC, PARQUET)
_FILES = {
    "csv": [CSV],
    "coco": [COCO_RESULTS, COCO_IMAGES],
    "coco-panoptic": [COCO_PANOPTIC],
    "parquet": [PARQUET],
}
_LONGEST_NUMBER = 18  # digits of an image id that is a file name


@dataclass(frozen=True, kw_only=True)
class Classes:
    """What tables state about the classes of the model.

    Attributes:
        names: of every class id.
        category_ids: of every class in its dataset, where they are known.
        stuff: class ids of uncountable regions.
    """

    names: Mapping[int, str]
    category_ids: Mapping[int, int] = field(default_factory=dict)
    stuff: Collection[int] = ()

    def category_id(self, label: int) -> int:
        return self.category_ids.get(label, label)


def table_names(formats: Collection[ResultFormat]) -> list[str]:
    """The files with tables in these formats."""
    return [name for kind, names in _FILES.items() if kind in formats for name in names]


def write_tables(journal: Path, paths: Mapping[str, Path], classes: Classes) -> None:
    """Write the tables with these names to these paths, reading the journal once for all.

    Raises:
        StorageError: a line of the journal is not the result of an image.
    """
    if not paths:
        return
    with ExitStack() as stack:
        tables = [_table(name, stack.enter_context(path.open("wb")), classes) for name, path in paths.items()]
        for image_id, entry in _numbered(journal):
            try:
                for table in tables:
                    table.add(image_id, entry)
            except (KeyError, TypeError, ValueError) as error:
                reason = f"is not a record of detections: {error}"
                raise StorageError(reason, source=journal, item=entry["source"]) from None
        for table in tables:
            table.end()


def _table(name: str, file: IO[bytes], classes: Classes) -> "_Csv | _List | _Panoptic | ParquetTable":
    if name == CSV:
        return _Csv(file)
    if name == PARQUET:
        return ParquetTable(file)
    if name == COCO_PANOPTIC:
        return _Panoptic(file, classes)
    return _List(file, (lambda number, entry: [_image(number, entry)]) if name == COCO_IMAGES else _coco_of(classes))


class _Csv:
    """One row per detection."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.write(text_bytes(csv_text(())))

    def add(self, image_id: int, entry: Mapping[str, Any]) -> None:  # noqa: ARG002  CSV has no image ids
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(csv_rows(_detections(entry), entry["source"]))
        self._file.write(text_bytes(text.getvalue()))

    def end(self) -> None:
        pass


class _List:
    """A JSON list of the rows of each image."""

    def __init__(self, file: IO[bytes], rows_of: Callable[[int, Mapping[str, Any]], Iterable[Any]]) -> None:
        self._file, self._rows_of = file, rows_of
        self._between = b"\n"
        file.write(b"[")

    def add(self, image_id: int, entry: Mapping[str, Any]) -> None:
        for row in self._rows_of(image_id, entry):
            self._file.write(self._between + json.dumps(row, allow_nan=False).encode("ascii"))
            self._between = b",\n"

    def end(self) -> None:
        self._file.write(b"\n]\n")


class _Panoptic:
    """COCO panoptic results, which are also a dataset; the PNGs are written before."""

    def __init__(self, file: IO[bytes], classes: Classes) -> None:
        self._file, self._classes = file, classes
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, image_id: int, entry: Mapping[str, Any]) -> None:
        rows = entry["detections"]
        infos = segment_rows([row["label"] for row in rows], [row["score"] for row in rows])
        for info in infos:
            info["category_id"] = self._classes.category_id(info["category_id"])
        self._images.append(_image(image_id, entry))
        named = {"image_id": image_id, "file_name": f"{entry['output']}.png", "segments_info": infos}
        self._annotations.append(named)

    def end(self) -> None:
        categories = [
            {"id": self._classes.category_id(label), "name": name, "isthing": int(label not in self._classes.stuff)}
            for label, name in self._classes.names.items()
        ]
        content = {"images": self._images, "annotations": self._annotations, "categories": categories}
        self._file.write((json.dumps(content, allow_nan=False) + "\n").encode("ascii"))


def _coco_of(classes: Classes) -> Callable[[int, Mapping[str, Any]], Iterator[dict[str, Any]]]:
    def rows(image_id: int, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        found = entry["detections"]
        for row, stored in zip(coco_rows(_detections(entry), image_id), found, strict=True):
            mask = {"segmentation": stored["mask"]} if "mask" in stored else {}
            yield row | mask | {"category_id": classes.category_id(row["category_id"])}

    return rows


def _detections(entry: Mapping[str, Any]) -> Iterator[Detection]:
    for row in entry["detections"]:
        x1, y1, x2, y2 = row["box"]
        yield Detection((x1, y1, x2, y2), row["score"], row["label"], row["name"])


def _image(image_id: int, entry: Mapping[str, Any]) -> dict[str, Any]:
    height, width = entry["size"]
    return {"id": image_id, "file_name": entry["source"], "height": height, "width": width}


def _numbered(journal: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Entries with image ids: COCO's file names, if all are unique numbers; else counted from 1."""
    named = _are_numbers(journal)
    for position, entry in enumerate(latest_entries_of(journal), start=1):
        yield (int(PurePath(entry["source"]).stem) if named else position), entry


def _are_numbers(journal: Path) -> bool:
    """Whether the file names of all images are different numbers."""
    numbers, repeated = [], False
    for source in sources_of(journal):
        stem = PurePath(source or "").stem
        if not (stem.isascii() and stem.isdecimal() and len(stem) <= _LONGEST_NUMBER):
            return False
        numbers.append(int(stem))
    repeated = len(np.unique(np.array(numbers, dtype=np.int64))) < len(numbers)
    if not repeated:
        return True
    latest = [int(PurePath(entry["source"]).stem) for entry in latest_entries_of(journal)]
    return len(set(latest)) == len(latest)
