"""Tables of a whole run, made from its journal: CSV, COCO and COCO panoptic results."""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from condetr.images.detections import Detections
from condetr.images.file_formats import csv_text, segment_rows
from condetr.images.saving import text_bytes
from condetr.prediction.results_log import latest_entries_of

CSV, COCO_RESULTS, COCO_IMAGES = "predictions.csv", "coco_results.json", "coco_images.json"
COCO_PANOPTIC = "coco_panoptic.json"


def csv_writer(journal: Path) -> Callable[[Path], None]:
    """Writes one row per detection."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(text_bytes(csv_text(())))
            for entry in latest_entries_of(journal):
                text = io.StringIO()
                csv.writer(text, lineterminator="\n").writerows(Detections.from_dict(entry).to_csv_rows())
                file.write(text_bytes(text.getvalue()))

    return write


def coco_results_writer(journal: Path, category_ids: Mapping[int, int]) -> Callable[[Path], None]:
    """Writes COCO results; category ids are those of the dataset, if known."""

    def rows() -> Iterator[dict[str, Any]]:
        for image_id, entry in _numbered(journal):
            for row in Detections.from_dict(entry).to_coco(image_id):
                yield row | {"category_id": category_ids.get(row["category_id"], row["category_id"])}

    return lambda path: _write_list(path, rows())


def coco_images_writer(journal: Path) -> Callable[[Path], None]:
    """Writes the image of each image id."""
    return lambda path: _write_list(path, _images(journal))


def coco_panoptic_writer(
    journal: Path, names: Mapping[int, str], category_ids: Mapping[int, int], stuff: Collection[int]
) -> Callable[[Path], None]:
    """Writes COCO panoptic results, which are also a dataset; the PNGs are written before."""
    categories = [
        {"id": category_ids.get(label, label), "name": name, "isthing": int(label not in stuff)}
        for label, name in names.items()
    ]

    def annotations() -> Iterator[dict[str, Any]]:
        for image_id, entry in _numbered(journal):
            rows = entry["detections"]
            infos = segment_rows([row["label"] for row in rows], [row["score"] for row in rows])
            for info in infos:
                info["category_id"] = category_ids.get(info["category_id"], info["category_id"])
            yield {"image_id": image_id, "file_name": f"{entry['output']}.png", "segments_info": infos}

    def write(path: Path) -> None:
        content = {"images": list(_images(journal)), "annotations": list(annotations()), "categories": categories}
        path.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="ascii")

    return write


def _images(journal: Path) -> Iterator[dict[str, Any]]:
    for image_id, entry in _numbered(journal):
        height, width = entry["size"]
        yield {"id": image_id, "file_name": entry["source"], "height": height, "width": width}


def _numbered(journal: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Entries with image ids: COCO's file names, if all are unique numbers; else counted from 1."""
    stems = [PurePath(entry["source"]).stem for entry in latest_entries_of(journal)]
    numbers = {int(stem) for stem in stems if stem.isascii() and stem.isdecimal() and len(stem) < 19}
    named = len(numbers) == len(stems)
    for position, entry in enumerate(latest_entries_of(journal), start=1):
        yield (int(stems[position - 1]) if named else position), entry


def _write_list(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="ascii") as file:
        file.write("[")
        for position, row in enumerate(rows):
            file.write(("," if position else "") + "\n" + json.dumps(row, allow_nan=False))
        file.write("\n]\n")
