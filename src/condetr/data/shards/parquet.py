"""Parquet files as the hub has them: a column of images, and one of their objects."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from condetr.core.errors import CondetrError, DataError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.shards.labels import OBJECT_FIELDS, ShardImage, ShardSplit, records_of, shard_layout
from condetr.data.stored_images import TABLES, ImagePart
from condetr.data.tools.label_files import ToolFiles, files_by_split
from condetr.data.unpacked_images import ending_of
from condetr.files.image_table import ImageTable
from condetr.images.decoding.sources import open_source

NAME = "parquet"
_DIGITS = 8
_HUB = b"huggingface"  # what `datasets` adds to the schema


def is_labeled_table(path: Path) -> bool:
    """Whether it has encoded images and objects. Raises MissingExtraError where pyarrow is not installed."""
    try:
        with path.open("rb") as stream:
            if stream.read(4) != b"PAR1":
                return False
        table = _opened(path)
    except (DataError, OSError):
        return False
    return table.contents is not None and _objects_in(table) is not None


def _opened(path: Path) -> ImageTable:
    return ImageTable(str(path), partial(open_source, path))


def _objects_in(table: ImageTable) -> str | None:
    return next((name for name in OBJECT_FIELDS if name in table.columns), None)


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    return shard_layout(NAME, folder, files, _list)


def _list(shards: Sequence[Path]) -> ShardSplit:
    split = ShardSplit()
    for shard in shards:
        number = 0
        try:
            for image in _images_of(shard, split):
                split.images.append(image)
                number += 1
        except CondetrError as error:
            split.report.add(ProblemKind.BAD_FILE, f"{error.reason} (behind row {number})", source=shard)
    return split


def _images_of(shard: Path, split: ShardSplit) -> Iterator[ShardImage]:
    table = _opened(shard)
    column = _objects_in(table)
    if table.contents is None or column is None:
        raise DataError("has no columns of encoded images and their objects", source=shard)
    split.names.update(_class_names(table, column))
    has_names = table.has_names()
    names = table.values(table.paths) if has_names and table.paths is not None else None
    for number, (row, objects) in enumerate(zip(table.rows, table.values(column), strict=True)):
        if names is None:
            inside = PurePosixPath(f"row-{number:0{_DIGITS}d}{ending_of(table.content(row) or b'')}")
        else:
            inside = PurePosixPath(next(names))
        part = ImagePart(len(inside.parts), row.group, row.position)
        yield ShardImage(shard, shard.joinpath(*inside.parts), part, _later(objects))


def _later(objects: Any) -> Callable[[], Sequence[Any]]:
    return partial(records_of, {"objects": objects})


def _class_names(table: ImageTable, column: str) -> dict[int, str]:
    """The names that the library `datasets` keeps for numbered classes."""
    try:
        features = json.loads(table.metadata[_HUB])["info"]["features"][column]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    names = _names_in(features)
    return dict(enumerate(map(str, names))) if isinstance(names, list) else {}


def _names_in(features: Any, *, deepest: int = 6) -> Any:
    """Of the first feature of the kind ClassLabel."""
    inner = list(features.values()) if isinstance(features, Mapping) else features if isinstance(features, list) else []
    if isinstance(features, Mapping) and features.get("_type") == "ClassLabel":
        return features.get("names")
    found = (_names_in(each, deepest=deepest - 1) for each in inner if deepest)
    return next((names for names in found if names is not None), None)


def _in_folder(folder: Path) -> Layout | None:
    for ending in TABLES:  # a damaged one must not be passed over
        if files := files_by_split(folder, ending, is_labeled_table, whole_folders=True):
            return _layout(folder, files)
    return None


FORMAT = ReadableFormat(
    NAME,
    "Parquet",
    "`*.parquet` (extra `parquet`) with a column of encoded images, and `objects` of `bbox` and `category`",
    "in the files, read from there",
    "`segmentation` of the objects, as COCO's",
    _in_folder,
    ToolFiles(TABLES, is_labeled_table, _layout).of_file,
)
