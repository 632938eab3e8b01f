"""Where COCO datasets keep their files: a JSON file in `annotations/`, or beside or above its images.

Detection annotations are `instances_*.json`; panoptic ones `panoptic_*.json`, with a folder of PNGs beside it.
"""

import re
from functools import partial
from pathlib import Path

from condetr.data.coco.panoptic import read_panoptic
from condetr.data.coco.reading import read_coco
from condetr.data.discovery.disk import visible, with_ending
from condetr.data.discovery.layout import Layout, ReadSplit, add_split
from condetr.data.discovery.split_names import split_named

PANOPTIC = "coco-panoptic"  # name of the format
_SMALL, _HEAD = 2**16, 2**24  # bytes of a JSON file that show whether it is COCO's
_BEGINS = re.compile(rb'[\xef\xbb\xbf\xff\xfe\s]*\{\s*"(?:info|licenses|type)"')
_LIST = re.compile(rb"[\xef\xbb\xbf\xff\xfe\s]*\[")
_DATUMARO = re.compile(rb'"categories"\s*:\s*\{\s*"(label|points|mask|caption)"')
_OTHER_TASKS = re.compile(r"panoptic|caption|keypoint|stuff|image_info|unlabeled")
_KEYS = re.compile(rb'"(images|annotations|categories)"\s*:')
_FOLDERS = ("images", "data", "JPEGImages", "imgs")
_CHUNK = 2**20  # bytes that are searched together for the key of an annotation
_ANNOTATION_KEY = re.compile(rb'"(segments_info|segmentation|bbox|iscrowd|caption|keypoints)"\s*:')
_LONGEST_KEY = 64


def coco_in(folder: Path) -> Layout | None:
    """The COCO dataset in a folder, if it is one."""
    files = [path for path in _json_files(folder) if not _OTHER_TASKS.search(path.name) and looks_like_coco(path)]
    files = files or [path for path in _json_files(folder) if "keypoint" in path.name and looks_like_coco(path)]
    files = [path for path in files if not holds_segments(path)]
    files = [path for path in files if path.name.startswith("instances")] or files
    return _layout_of("coco", folder, {path: coco_file(path) for path in files})


def panoptic_in(folder: Path) -> Layout | None:
    """The COCO panoptic dataset in a folder, if it is one."""
    files = [path for path in _json_files(folder) if looks_like_coco(path) and holds_segments(path)]
    return _layout_of(PANOPTIC, folder, {path: panoptic_file(path) for path in files})


def _layout_of(name: str, folder: Path, files: dict[Path, ReadSplit]) -> Layout | None:
    """A layout of JSON files, each a split named by itself or by its folder."""
    splits: dict[str, ReadSplit] = {}
    for path, read in files.items():
        split = split_named(path.stem) or (split_named(path.parent.name) if path.parent != folder else None)
        add_split(splits, split or "all", read, folder)
    return Layout(name, folder, splits) if splits else None


def coco_file(annotations: Path, folders: tuple[Path, ...] = ()) -> ReadSplit:
    """How to read one JSON file, its images in one of ``folders`` or where they usually are."""
    return partial(read_coco, annotations, folders or _usual_folders(annotations))


def panoptic_file(annotations: Path, folders: tuple[Path, ...] = ()) -> ReadSplit:
    """How to read one JSON file, its images in one of ``folders`` or where they usually are."""
    beside = annotations.absolute().parent
    stem = annotations.stem
    names = (stem, stem.removesuffix("_annotations"), stem.removeprefix("panoptic_"), "panoptic", "panoptic_masks")
    pngs = tuple(folder for folder in (*(beside / name for name in names), beside) if folder.is_dir())
    return partial(read_panoptic, annotations, folders or _usual_folders(annotations), pngs)


def _json_files(folder: Path) -> list[Path]:
    """JSON files where COCO's usually are: in the folder, in `annotations/`, or in folders named after splits."""
    below = visible(folder, "*/")
    folders = [
        *(path for path in below if path.name.lower() == "annotations"),
        *(path for path in below if split_named(path.name)),
    ]
    return [path for top in (folder, *folders) for path in with_ending(top, ".json")]


def looks_like_coco(path: Path) -> bool:
    """Whether a file is JSON of images with annotations, by the keys in its first bytes."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            start = stream.read(_SMALL).replace(b"\0", b"")  # UTF-16 of ASCII
            if _LIST.match(start) or _DATUMARO.search(start):
                return False  # a list is of results, or of tasks of Label Studio
            is_all = not stream.read(1)
            keys = set(_KEYS.findall(start))
            if is_all:
                return len(keys) > 1  # two of the three: reading reports the missing one
            if keys == {b"categories"} or _BEGINS.match(start):
                keys |= set(_KEYS.findall(stream.read(_HEAD).replace(b"\0", b"")))  # LVIS begins with its classes
            return bool(keys - {b"categories"})
    except OSError:
        return path.parent.name.lower() == "annotations"  # reading it reports the reason


def holds_segments(path: Path) -> bool:
    """Whether a JSON file is panoptic: its first annotation has segments, not boxes or segmentations."""
    if not path.is_file():
        return False
    kept = b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            key = _ANNOTATION_KEY.search(kept + chunk)
            if key:
                return key.group(1) == b"segments_info"
            kept = chunk[-_LONGEST_KEY:]
    return False


def _usual_folders(annotations: Path) -> tuple[Path, ...]:
    """Folders where the images of a JSON file may be, the likeliest first."""
    beside = annotations.absolute().parent
    tops = (beside, beside.parent) if beside.name.lower() == "annotations" else (beside,)
    name = annotations.stem.removeprefix("instances_").removeprefix("panoptic_")
    split = split_named(name)
    last_word = name.rpartition("_")[2]  # train2017 of person_keypoints_train2017
    below = list(dict.fromkeys([name, last_word, *([split] if split else [])]))
    return tuple(
        folder
        for top in tops
        for folder in (*(top / "images" / sub for sub in below), *(top / sub for sub in (*below, *_FOLDERS)), top)
        if folder.is_dir()
    )
