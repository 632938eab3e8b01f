"""COCO panoptic data sets as people lay them out: `annotations/panoptic_*.json` and a folder of PNGs beside it."""

from functools import partial
from pathlib import Path

from condetr.data.coco.kind import holds_segments
from condetr.data.coco.layout import json_files, looks_like_coco, usual_folders
from condetr.data.coco.panoptic import read_panoptic
from condetr.data.discovery.layout import Layout, ReadSplit, add_split
from condetr.data.discovery.split_names import split_named

FORMAT = "coco-panoptic"


def panoptic_in(folder: Path) -> Layout | None:
    """The COCO panoptic data set in a folder, if it is one."""
    files = [path for path in json_files(folder) if looks_like_coco(path) and holds_segments(path)]
    splits: dict[str, ReadSplit] = {}
    for path in files:
        split = split_named(path.stem) or (split_named(path.parent.name) if path.parent != folder else None)
        add_split(splits, split or "all", panoptic_file(path), folder)
    return Layout(FORMAT, folder, splits) if splits else None


def panoptic_file(annotations: Path, folders: tuple[Path, ...] = ()) -> ReadSplit:
    """How to read one JSON file, its images in one of ``folders`` or where they usually are."""
    beside = annotations.absolute().parent
    name = annotations.stem
    named = (name, name.removesuffix("_annotations"), name.removeprefix("panoptic_"), "panoptic", "panoptic_masks")
    pngs = tuple(place for place in (*(beside / one for one in named), beside) if place.is_dir())
    return partial(read_panoptic, annotations, folders or usual_folders(annotations), pngs)
