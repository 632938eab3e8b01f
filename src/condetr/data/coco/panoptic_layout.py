"""Where COCO panoptic datasets keep their files: `annotations/panoptic_*.json`, and a folder of PNGs beside it."""

from functools import partial
from pathlib import Path

from condetr.data.coco.layout import holds_segments, json_files, layout_of_files, looks_like_coco, usual_folders
from condetr.data.coco.panoptic import read_panoptic
from condetr.data.discovery.layout import Layout, ReadSplit

FORMAT = "coco-panoptic"


def panoptic_in(folder: Path) -> Layout | None:
    """The COCO panoptic dataset in a folder, if it is one."""
    files = [path for path in json_files(folder) if looks_like_coco(path) and holds_segments(path)]
    return layout_of_files(FORMAT, folder, {path: panoptic_file(path) for path in files})


def panoptic_file(annotations: Path, folders: tuple[Path, ...] = ()) -> ReadSplit:
    """How to read one JSON file, its images in one of ``folders`` or where they usually are."""
    beside = annotations.absolute().parent
    stem = annotations.stem
    names = (stem, stem.removesuffix("_annotations"), stem.removeprefix("panoptic_"), "panoptic", "panoptic_masks")
    pngs = tuple(folder for folder in (*(beside / name for name in names), beside) if folder.is_dir())
    return partial(read_panoptic, annotations, folders or usual_folders(annotations), pngs)
