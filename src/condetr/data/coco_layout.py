"""COCO data sets as people lay them out: `annotations/instances_*.json`, a JSON file beside or above its pictures."""

import re
from functools import partial
from pathlib import Path

from condetr.data.coco import read_coco
from condetr.data.coco_kind import holds_segments
from condetr.data.layout import Layout, ReadSplit, add_split
from condetr.data.split_names import split_named

_HEAD = 4096  # bytes of a JSON file that show whether it is COCO's
_OTHER_TASKS = re.compile(r"panoptic|caption|keypoint|stuff|image_info|unlabeled")
_KEYS = re.compile(rb'"(images|annotations|categories)"\s*:')
_FOLDERS = ("images", "data", "JPEGImages", "imgs")


def coco_in(folder: Path) -> Layout | None:
    """The COCO data set in a folder, if it is one."""
    places = [folder, folder / "annotations", *sorted(path for path in folder.glob("*/") if split_named(path.name))]
    files = [path for place in places for path in sorted(place.glob("*.json")) if looks_like_coco(path)]
    files = [path for path in files if not holds_segments(path)]
    files = [path for path in files if path.name.startswith("instances")] or files
    splits: dict[str, ReadSplit] = {}
    for path in files:
        split = split_named(path.stem) or (split_named(path.parent.name) if path.parent != folder else None)
        add_split(splits, split or "all", coco_file(path), folder)
    return Layout("coco", folder, splits) if splits else None


def coco_file(annotations: Path, folders: tuple[Path, ...] = ()) -> ReadSplit:
    """How to read one JSON file, its pictures in one of ``folders`` or where they usually are."""
    return partial(read_coco, annotations, folders or usual_folders(annotations))


def looks_like_coco(path: Path) -> bool:
    """By its first bytes: JSON of pictures with boxes, not of other tasks."""
    if _OTHER_TASKS.search(path.name) or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    head = head.replace(b"\0", b"")  # UTF-16 of ASCII
    return bool(_KEYS.search(head)) or (head.lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t").startswith(b'{"info"'))


def usual_folders(annotations: Path) -> tuple[Path, ...]:
    """Where the pictures of a JSON file may be, the likeliest first."""
    beside = annotations.absolute().parent
    tops = (beside, beside.parent) if beside.name == "annotations" else (beside,)
    name = annotations.stem.removeprefix("instances_").removeprefix("panoptic_")
    split = split_named(name)
    below = [name, *([split] if split else [])]
    return tuple(
        place
        for top in tops
        for place in (*(top / "images" / one for one in below), *(top / one for one in (*below, *_FOLDERS)), top)
        if place.is_dir()
    )
