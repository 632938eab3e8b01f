"""COCO data sets as people lay them out: `annotations/instances_*.json`, a JSON file beside or above its images."""

import re
from functools import partial
from pathlib import Path

from condetr.data.coco.kind import holds_segments
from condetr.data.coco.reading import read_coco
from condetr.data.discovery.disk import visible, with_ending
from condetr.data.discovery.layout import Layout, ReadSplit, add_split
from condetr.data.discovery.split_names import split_named

_SMALL, _HEAD = 2**16, 2**24  # bytes of a JSON file that show whether it is COCO's
_BEGINS = re.compile(rb'[\xef\xbb\xbf\xff\xfe\s]*\{\s*"(?:info|licenses|type)"')
_OTHER_TASKS = re.compile(r"panoptic|caption|keypoint|stuff|image_info|unlabeled")
_KEYS = re.compile(rb'"(images|annotations|categories)"\s*:')
_FOLDERS = ("images", "data", "JPEGImages", "imgs")


def coco_in(folder: Path) -> Layout | None:
    """The COCO data set in a folder, if it is one."""
    files = [path for path in json_files(folder) if not _OTHER_TASKS.search(path.name) and looks_like_coco(path)]
    files = [path for path in files if not holds_segments(path)]
    files = [path for path in files if path.name.startswith("instances")] or files
    splits: dict[str, ReadSplit] = {}
    for path in files:
        split = split_named(path.stem) or (split_named(path.parent.name) if path.parent != folder else None)
        add_split(splits, split or "all", coco_file(path), folder)
    return Layout("coco", folder, splits) if splits else None


def coco_file(annotations: Path, folders: tuple[Path, ...] = ()) -> ReadSplit:
    """How to read one JSON file, its images in one of ``folders`` or where they usually are."""
    return partial(read_coco, annotations, folders or usual_folders(annotations))


def json_files(folder: Path) -> list[Path]:
    """JSON files where COCO's usually are: in the folder, in `annotations/`, or in folders named after splits."""
    below = visible(folder, "*/")
    places = [
        *(path for path in below if path.name.lower() == "annotations"),
        *(one for one in below if split_named(one.name)),
    ]
    return [path for place in (folder, *places) for path in with_ending(place, ".json")]


def looks_like_coco(path: Path) -> bool:
    """By the words in its first bytes: JSON of images with annotations."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            start = stream.read(_SMALL).replace(b"\0", b"")  # UTF-16 of ASCII
            is_all = not stream.read(1)
            words = set(_KEYS.findall(start))
            if is_all:
                return len(words) > 1  # two of the three: one that is missing will be told
            if words == {b"categories"} or _BEGINS.match(start):
                words |= set(_KEYS.findall(stream.read(_HEAD).replace(b"\0", b"")))  # LVIS begins with its classes
            return bool(words - {b"categories"})
    except OSError:
        return path.parent.name.lower() == "annotations"  # reading it will say why it cannot be


def usual_folders(annotations: Path) -> tuple[Path, ...]:
    """Where the images of a JSON file may be, the likeliest first."""
    beside = annotations.absolute().parent
    tops = (beside, beside.parent) if beside.name.lower() == "annotations" else (beside,)
    name = annotations.stem.removeprefix("instances_").removeprefix("panoptic_")
    split = split_named(name)
    below = [name, *([split] if split else [])]
    return tuple(
        place
        for top in tops
        for place in (*(top / "images" / one for one in below), *(top / one for one in (*below, *_FOLDERS)), top)
        if place.is_dir()
    )
