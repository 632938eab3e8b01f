"""Datasets of the Hugging Face library `datasets`: a column of images, and a column of their objects.

The usual layout on the hub is ``image`` and ``objects``, with ``bbox`` (x, y, width, height in pixels) and ``category``
for each object. A dataset is read from files, so the images and a COCO file are written to the cache, once.
"""

import hashlib
import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable

from PIL import Image

from condetr.core.errors import DataError, ImageError, UsageError
from condetr.core.short_repr import short_repr
from condetr.data.discovery.split_names import split_named
from condetr.data.unpacked_images import ending_of, folder_of_cache
from condetr.files.new_folder import OutputFolder, whole_folder
from condetr.images.decoding.headers import upright_size
from condetr.images.sizes import HeightWidth

_logger = logging.getLogger(__name__)
BOX_FIELDS = ("bbox", "bboxes", "boxes", "box")
CLASS_FIELDS = (
    "category", "categories", "category_id", "category_ids", "label", "labels", "class", "class_label", "name",
)  # fmt: skip
_OTHERS = {"segmentation": "segmentation", "segmentations": "segmentation", "iscrowd": "iscrowd", "is_crowd": "iscrowd"}
_OTHERS |= {"area": "area"}
_EXPECTED = "the usual columns are image, and objects with bbox and category"
_ROUNDING = 1.0  # pixels by which a box may stick out


@runtime_checkable
class HubDataset(Protocol):
    """What is needed of a `datasets.Dataset`."""

    features: Mapping[str, Any]

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class _Columns:
    image: str
    objects: str
    boxes: str
    classes: str
    names: tuple[str, ...] | None  # of the classes, if the dataset has them


@dataclass(frozen=True)
class _Row:
    content: bytes
    boxes: list[list[float]]
    classes: list[Any]
    others: list[dict[str, Any]]


def data_path(data: "str | Path | HubDataset | Mapping[str, HubDataset]") -> str | Path:
    """The path itself, or that of `folder_of_hub_dataset`.

    Raises:
        UsageError: it is neither a path nor a dataset.
    """
    if isinstance(data, str | Path):
        return data
    if is_hub_dataset(data):
        return folder_of_hub_dataset(data)
    reason = f"is a {type(data).__name__}, expected a path, or a Dataset or DatasetDict of the library `datasets`"
    raise UsageError(reason, item="data")


def is_hub_dataset(data: object) -> TypeGuard["HubDataset | Mapping[str, HubDataset]"]:
    """Whether it looks like a Dataset or a DatasetDict."""
    if isinstance(data, Mapping):
        return bool(data) and all(isinstance(part, HubDataset) for part in data.values())
    return isinstance(data, HubDataset)


def folder_of_hub_dataset(data: "HubDataset | Mapping[str, HubDataset]") -> Path:
    """A folder with the images and labels of all splits, as COCO; written to the cache unless it is there already.

    Boxes that fit their images better as x1, y1, x2, y2 than as x, y, width, height are read so, with a warning.

    Raises:
        DataError: there is no column of images, or none of objects with boxes and classes.
        StorageError: the cache cannot be written.
    """
    if isinstance(data, Mapping):
        splits = {str(name): part for name, part in data.items()}
    else:
        splits = {split_named(str(getattr(data, "split", None))) or "all": data}
    columns = {name: _columns_of(part, name) for name, part in splits.items()}
    folder = folder_of_cache() / "datasets" / _key(splits, columns)
    if not folder.is_dir():
        names = _class_names(splits, columns)
        with whole_folder(folder) as output:
            for name, part in splits.items():
                _write_split(output, name, _rows(part, columns[name]), names)
    return folder


def _key(splits: Mapping[str, HubDataset], columns: Mapping[str, _Columns]) -> str:
    """A hash of the content: that of the library, or else of every row."""
    key = hashlib.sha256(repr(columns).encode())
    for name, part in splits.items():
        fingerprint = getattr(part, "_fingerprint", None)
        key.update(repr((name, len(part), fingerprint)).encode())
        if not isinstance(fingerprint, str):
            for row in _rows(part, columns[name]):
                key.update(hashlib.sha256(row.content).digest())
                key.update(repr((row.boxes, row.classes, row.others)).encode())
    return key.hexdigest()[:40]


def _columns_of(part: HubDataset, split: str) -> _Columns:
    features = part.features
    images = [key for key, feature in features.items() if type(feature).__name__ == "Image"]
    image = next(iter(images), "image" if "image" in features else None)
    if image is None:
        raise _unusable(f"has the columns {short_repr(list(features))}, none of which holds images", split)
    for column, feature in features.items():
        fields = _fields_of(feature)
        boxes = next((key for key in BOX_FIELDS if key in fields), None)
        classes = next((key for key in CLASS_FIELDS if key in fields), None)
        if boxes is not None and classes is not None:
            names = getattr(_element_of(fields[classes]), "names", None)
            return _Columns(image, column, boxes, classes, tuple(map(str, names)) if names else None)
    raise _unusable(f"has the columns {short_repr(list(features))}, none of which holds boxes and classes", split)


def _fields_of(feature: Any) -> Mapping[str, Any]:
    """The fields of an object: of a mapping of sequences, or of a sequence of mappings."""
    feature = _element_of(feature)
    return feature if isinstance(feature, Mapping) else {}


def _element_of(feature: Any) -> Any:
    """What a sequence holds; the feature itself if it is none."""
    while True:
        if isinstance(feature, list | tuple) and len(feature) == 1:
            feature = feature[0]
        elif hasattr(feature, "feature"):
            feature = feature.feature
        else:
            return feature


def _rows(part: HubDataset, columns: _Columns) -> Iterator[_Row]:
    stored = _undecoded(part, columns.image)
    for number in range(len(stored)):
        row = stored[number]
        try:
            yield _row_of(row, columns)
        except (TypeError, ValueError, OSError) as error:
            raise DataError(f"cannot be read: {error}", source=f"row {number}", hint=_EXPECTED) from error


def _row_of(row: Mapping[str, Any], columns: _Columns) -> _Row:
    objects = row[columns.objects] or {}
    if not isinstance(objects, Mapping):
        objects = {key: [each[key] for each in objects] for key in (objects[0] if objects else ())}
    boxes = [[float(side) for side in box] for box in _list_of(objects.get(columns.boxes))]
    classes = _list_of(objects.get(columns.classes))
    if len(boxes) != len(classes) or any(len(box) != 4 for box in boxes):
        raise ValueError(f"it has {len(boxes)} boxes, expected {len(classes)} of four numbers, as classes")
    others: list[dict[str, Any]] = [{} for _ in boxes]
    for key, meaning in _OTHERS.items():
        for other, value in zip(others, _list_of(objects.get(key)), strict=False):
            other[meaning] = int(value) if meaning == "iscrowd" else value
    return _Row(_bytes_of(row[columns.image]), boxes, classes, others)


def _list_of(value: Any) -> list[Any]:
    """A list, tensor or array as a list."""
    return [] if value is None else value.tolist() if hasattr(value, "tolist") else list(value)


def _undecoded(part: HubDataset, column: str) -> HubDataset:
    """The dataset with its images as they are stored, where the library has them so."""
    feature = part.features[column]
    cast = getattr(part, "cast_column", None)
    if cast is None or not getattr(feature, "decode", False) or not is_dataclass(feature) or isinstance(feature, type):
        return part
    stored = cast(column, replace(feature, decode=False))
    assert isinstance(stored, HubDataset)
    return stored


def _bytes_of(image: Any) -> bytes:
    """The file of an image: as it is stored, or as a PNG."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, Mapping):
        content = image.get("bytes")
        return content if isinstance(content, bytes) else Path(str(image.get("path"))).read_bytes()
    if not isinstance(image, Image.Image):
        raise TypeError(f"its image is a {type(image).__name__}, expected bytes, a path or a PIL image")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _class_names(splits: Mapping[str, HubDataset], columns: Mapping[str, _Columns]) -> tuple[str, ...]:
    """The names of the classes in order; where the dataset has none, those that are used, or numbers."""
    stated = {part.names for part in columns.values()}
    if len(stated) > 1:
        raise _unusable("has splits with different classes", ", ".join(splits))
    names = next(iter(stated))
    if names is not None:
        return names
    used = {value for name, part in splits.items() for row in _rows(part, columns[name]) for value in row.classes}
    if all(isinstance(value, str) for value in used):
        return tuple(sorted(used))
    try:
        return tuple(map(str, range(max(map(int, used)) + 1)))
    except ValueError:
        raise _unusable(f"has the classes {short_repr(used)}, expected numbers or names", ", ".join(splits)) from None


def _write_split(output: OutputFolder, split: str, rows: Iterable[_Row], names: Sequence[str]) -> None:
    images, annotations, sizes = list[dict[str, Any]](), list[dict[str, Any]](), list[HeightWidth]()
    numbers = {name: number for number, name in enumerate(names)}
    for number, row in enumerate(rows):
        name = f"{number:08d}{ending_of(row.content)}"
        output.write_bytes(f"{split}/{name}", row.content)
        images.append({"id": number, "file_name": name})
        try:
            size = upright_size(output.path_of(f"{split}/{name}"))
        except ImageError:
            size = (0, 0)  # reading the folder reports it
        for box, label, other in zip(row.boxes, row.classes, row.others, strict=True):
            category = numbers.get(label, label) if isinstance(label, str) else int(label)
            record = {"id": len(annotations), "image_id": number, "category_id": category, "bbox": box, "iscrowd": 0}
            annotations.append(record | other)
            sizes.append(size)
    are_corners = _are_corners([annotation["bbox"] for annotation in annotations], sizes)
    if are_corners:
        _logger.warning("%s: boxes are read as x1, y1, x2, y2: as x, y, width, height they stick out", split)
    for annotation in annotations:
        x, y, width, height = annotation["bbox"]
        if are_corners:
            annotation["bbox"] = [x, y, width := width - x, height := height - y]
        annotation.setdefault("area", width * height)
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    output.write(f"annotations/instances_{split}.json", json.dumps(content))


def _are_corners(boxes: Sequence[Sequence[float]], sizes: Sequence[HeightWidth]) -> bool:
    """Whether more boxes lie in their images as x1, y1, x2, y2 than as x, y, width, height."""
    wide = corners = 0
    for (x, y, third, fourth), (height, width) in zip(boxes, sizes, strict=True):
        wide += x + third <= width + _ROUNDING and y + fourth <= height + _ROUNDING
        corners += x < third <= width + _ROUNDING and y < fourth <= height + _ROUNDING
    return corners > wide


def _unusable(reason: str, split: str) -> DataError:
    return DataError(reason, source="Dataset", item=split, hint=_EXPECTED)
