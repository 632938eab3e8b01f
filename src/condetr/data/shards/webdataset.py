"""WebDataset shards: tar archives in which each image has a JSON file of the same name beside it."""

from collections.abc import Sequence
from functools import partial
from itertools import islice
from json import JSONDecodeError, loads
from pathlib import Path, PurePosixPath
from typing import Any

from condetr.core.errors import CondetrError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.shards.labels import (
    EXPECTED,
    OBJECT_FIELDS,
    ShardImage,
    ShardSplit,
    names_of_categories,
    records_of,
    shard_layout,
)
from condetr.data.stored_images import ImagePart
from condetr.data.tools.label_files import ToolFiles, files_by_split
from condetr.files.archive_members import DAMAGES, Entry, refusal_of, tar_members
from condetr.images.coco_labels.fields import FieldError
from condetr.images.decoding.sources import MOST_BYTES
from condetr.images.file_endings import has_image_ending

NAME = "webdataset"
_ENDING = ".tar"
_MOST_LABEL_BYTES = 1 << 24  # of the labels of one image
_TRIED = 20  # members that show what a file is
_MAGIC, _MAGIC_AT = b"ustar", 257


def is_shard(path: Path) -> bool:
    """Whether a tar archive, not compressed, begins with an image and a JSON file of its objects."""
    try:
        with path.open("rb") as stream:
            if stream.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] != _MAGIC:
                return False
        for entry in islice(tar_members(str(path)), _TRIED):
            if _is_label(entry):
                labels = entry.read()
                return any(f'"{name}"'.encode() in labels for name in OBJECT_FIELDS)
    except (*DAMAGES, CondetrError):
        return False
    return False


def _is_label(entry: Entry) -> bool:
    return entry.name.lower().endswith(".json") and entry.size <= _MOST_LABEL_BYTES and entry.refusal is None


def _layout(folder: Path, files: dict[str, list[Path]]) -> Layout:
    return shard_layout(NAME, folder, files, _list)


def _list(shards: Sequence[Path]) -> ShardSplit:
    split = ShardSplit()
    for shard in shards:
        _list_one(shard, split)
    return split


def _list_one(shard: Path, split: ShardSplit) -> None:
    images: dict[str, Entry] = {}
    labels: dict[str, bytes] = {}
    last = "its beginning"
    try:
        for entry in tar_members(str(shard)):
            last = entry.name
            _add(shard, entry, images, labels, split)
    except DAMAGES as error:
        split.report.add(ProblemKind.BAD_FILE, f"is damaged behind {last}: {error}", source=shard)
    for key, entry in images.items():
        path = shard.joinpath(*PurePosixPath(entry.name).parts)
        if key not in labels:
            split.report.add(ProblemKind.MISSING_LABELS, "has no JSON file", source=shard, item=entry.name)
        else:
            assert entry.offset is not None, "it is not compressed"
            part = ImagePart(len(path.parts) - len(shard.parts), entry.offset, entry.size)
            split.images.append(ShardImage(shard, path, part, partial(_records_of, labels[key])))
    for key in labels.keys() - images.keys():
        split.report.add(ProblemKind.ORPHAN_LABELS, "has no image", source=shard, item=f"{key}.json")


def _add(shard: Path, entry: Entry, images: dict[str, Entry], labels: dict[str, bytes], split: ShardSplit) -> None:
    name = PurePosixPath(entry.name)
    is_label, is_image = name.suffix.lower() == ".json", has_image_ending(entry.name)
    if not (is_label or is_image) or name.name.startswith("."):
        return
    key = str(name.with_name(name.name.partition(".")[0]))
    most = _MOST_LABEL_BYTES if is_label else MOST_BYTES
    if (refusal := refusal_of(entry, most)) is not None:
        outside = ProblemKind.OUTSIDE_NAME if "outside" in refusal else ProblemKind.UNREADABLE_PICTURE
        split.report.add(outside, refusal, source=shard, item=entry.name[:200])
    elif key in (labels if is_label else images):
        kind = ProblemKind.OTHER_ANNOTATIONS if is_label else ProblemKind.REPEATED_PICTURE
        split.report.add(kind, "is there a second time; the first is used", source=shard, item=entry.name)
    elif is_image:
        images[key] = entry
    else:
        labels[key] = entry.read()
        split.names.update(names_of_categories(_json_of(labels[key])) if b'"categories"' in labels[key] else {})


def _records_of(labels: bytes) -> Sequence[Any]:
    content = _json_of(labels)
    if content is None:
        raise FieldError(f"has labels that are no JSON; {EXPECTED}")
    return records_of(content)


def _json_of(labels: bytes) -> Any:
    try:
        return loads(labels)
    except (JSONDecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None


def _in_folder(folder: Path) -> Layout | None:
    files = files_by_split(folder, _ENDING, is_shard, whole_folders=True)  # a damaged one must not be passed over
    return _layout(folder, files) if files else None


FORMAT = ReadableFormat(
    NAME,
    "WebDataset",
    "`*.tar`, not compressed, with `NAME.json` beside `NAME.jpg`: `objects` or `annotations` of `bbox` and `category`",
    "in the archives, read from there",
    "`segmentation` of the objects, as COCO's",
    _in_folder,
    ToolFiles((_ENDING,), is_shard, _layout).of_file,
)
