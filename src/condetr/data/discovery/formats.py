"""Any path to labeled images in, data sets out: the format found by content, the splits by name."""

import os
from contextlib import suppress
from pathlib import Path

from condetr.core.errors import CondetrError, DataError, StorageError, UsageError
from condetr.data.checks.problems import Reason
from condetr.data.checks.verdict import usable
from condetr.data.coco.kind import holds_segments
from condetr.data.coco.layout import coco_file, coco_in, looks_like_coco
from condetr.data.coco.panoptic_layout import FORMAT as PANOPTIC
from condetr.data.coco.panoptic_layout import panoptic_file, panoptic_in
from condetr.data.discovery.description import FORMAT as DESCRIBED
from condetr.data.discovery.description import described, is_description
from condetr.data.discovery.disk import (
    absence_of,
    check_listable,
    exists,
    is_file,
    is_folder,
    visible,
    walk,
    with_ending,
)
from condetr.data.discovery.image_paths import is_image
from condetr.data.discovery.label_files import NAME_FILES, is_label_file
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset
from condetr.data.voc.layout import voc_in
from condetr.data.voc.strict_xml import starts_with
from condetr.data.yolo.folders import yolo_in
from condetr.data.yolo.layout import is_yolo_yaml, yolo_file
from condetr.files.json_reading import read_json
from condetr.files.text import yaml_of

_PARTS = ("annotations", "labels", "images")  # of one data set
_TRIED = 20  # files of a folder that show what it is
_DEEPEST = 3  # levels of folders, below which no data set is looked for
_DESCRIPTION_BYTES = 2**20  # a larger JSON file holds labels itself
_EXPECTED = (
    "expected COCO (annotations/*.json, also panoptic), YOLO (data.yaml), Pascal VOC (Annotations/*.xml), "
    "one COCO JSON file, or a YAML or JSON file with `splits:`"
)


def layout_of(path: str | Path, *, panoptic: bool = False) -> Layout:
    """What kind of data set this folder or file is, and its splits.

    Args:
        path: a folder or file in any of the formats.
        panoptic: whether COCO's panoptic annotations are meant, where there are others, too.

    Raises:
        UsageError: there is nothing.
        DataError: none that is known; or none that is panoptic.
    """
    layout = _layout_of(Path(os.path.abspath(path)), panoptic=panoptic)  # noqa: PTH100  resolve() would follow links
    if panoptic and layout.format not in (PANOPTIC, DESCRIBED):
        raise _not_panoptic(path, layout.format)
    return layout


def _layout_of(path: Path, *, panoptic: bool) -> Layout:
    if not exists(path):
        raise UsageError(absence_of(path), source=path)
    if is_folder(path):
        return _folder_layout(path, panoptic=panoptic)
    if not is_file(path):
        raise DataError("is neither a file nor a folder", source=path)
    if path.suffix.lower() in (".yaml", ".yml"):
        content = yaml_of(path)
        if is_yolo_yaml(content):
            return yolo_file(path, content, anywhere=True)
    elif path.suffix.lower() == ".json":
        content = read_json(path) if path.stat().st_size < _DESCRIPTION_BYTES else None
        if not is_description(content):
            is_panoptic = holds_segments(path)
            read = panoptic_file(path) if is_panoptic else coco_file(path)
            return Layout(PANOPTIC if is_panoptic else "coco", path, {split_named(path.stem) or "all": read})
    else:
        content = None
    if not is_description(content):
        raise DataError("is no data set that is known here", source=path, hint=_EXPECTED)
    return described(path, content)


def read_dataset(path: str | Path, split: str | None = None, *, masks: bool = False, panoptic: bool = False) -> Dataset:
    """One split; which one may be left open where there is only one.

    Args:
        path: a folder or file in any of the formats.
        split: its name, as `layout_of` tells them.
        masks: whether objects need a segmentation.
        panoptic: whether COCO's panoptic annotations are meant, where there are others, too.

    Raises:
        DataError: there is no such data set or split, or nothing in it can be used.
        AnnotationError: labels that no model should learn from; the first of them is named.
    """
    layout = layout_of(path, panoptic=panoptic)
    if split is None and len(layout.names) == 1:
        split = layout.names[0]
    if split is None or split not in layout.splits:
        asked = "which split is meant?" if split is None else f"has no split {split!r};"
        absent = "".join(f"; {one.said}" for one in layout.report.of(Reason.MISSING_SPLIT))
        raise DataError(f"{asked} there are {', '.join(layout.names)}{absent}", source=path, item="split")
    return _checked(layout.read(split, masks=masks), path, panoptic=panoptic)


def read_splits(path: str | Path, *, masks: bool = False, panoptic: bool = False) -> dict[str, Dataset]:
    """All splits, by name, with one table of classes; the arguments are those of `read_dataset`.

    Raises:
        DataError: as `read_dataset`, or splits that do not agree on the classes.
    """
    layout = layout_of(path, panoptic=panoptic)
    read = {
        split: _checked(layout.read(split, masks=masks, again=number > 0), path, panoptic=panoptic)
        for number, split in enumerate(layout.names)
    }
    first = next(iter(read))
    for split, dataset in read.items():
        if dataset.classes != read[first].classes:
            different = sorted(set(dataset.classes.names) ^ set(read[first].classes.names))
            reason = f"{split} and {first} do not have the same classes in the same order; only in one: {different}"
            raise DataError(reason, source=path, item="categories")
    return read


def _checked(dataset: Dataset, path: str | Path, *, panoptic: bool) -> Dataset:
    if panoptic and any(example.segments is None for example in dataset):
        raise _not_panoptic(path, dataset.split)
    return usable(dataset, path)


def _not_panoptic(path: str | Path, what: str) -> DataError:
    reason = f"holds annotations ({what}) that are not panoptic: they do not tell one segment, or none, for every pixel"
    return DataError(reason, source=path, hint="name a COCO panoptic JSON file, or the folder that holds it")


def _folder_layout(folder: Path, *, panoptic: bool) -> Layout:
    check_listable(folder)
    coco = panoptic_in(folder) if panoptic else coco_in(folder) or panoptic_in(folder)
    found, failed = [coco] if coco is not None else [], list[CondetrError]()
    for other_in in (yolo_in, voc_in):
        try:
            layout = other_in(folder)
        except CondetrError as error:
            failed.append(error)
        else:
            found += [layout] if layout is not None else []
    if not found and failed:
        raise failed[0]
    if not found and panoptic:
        return _folder_layout(folder, panoptic=False)
    if not found:
        for path in visible(folder, "*/"):
            check_listable(path)
        raise DataError("holds no data set that is known here", source=folder, hint=_below(folder) or _EXPECTED)
    chosen, *others = found
    for other in others:
        said = f"{other.format} labels are there, too; {chosen.format} is read"
        chosen.report.add(Reason.OTHER_FORMAT, said, source=folder)
    _tell_unread(folder, chosen)
    for failure in failed:
        said = f"{failure}; {chosen.format} is read"
        chosen.report.add(Reason.OTHER_FORMAT, said, source=folder)
    return chosen


def _below(folder: Path) -> str:
    """What to do where the data set lies in a folder further down, as archives are often packed; "" if it does not."""
    level = [folder]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in visible(outer, "*/")][:_TRIED]
        found = [str(path) for path in level if _is_data_set(path) and _holds_image(path)]
        if len(found) == 1:
            return f"but {found[0]} does: give that folder"
        if found:
            return f"but {', '.join(found)} do: give one of them, or a YAML file with `splits:` that names them"
    return ""


def _is_data_set(folder: Path) -> bool:
    for layout_in in (coco_in, panoptic_in, yolo_in, voc_in):
        with suppress(CondetrError, OSError):
            if layout_in(folder) is not None:
                return True
    return False


def _tell_unread(folder: Path, layout: Layout) -> None:
    """Folders that are named after a split which the labels do not speak of, or that hold labels of their own."""
    lists = not all(map(is_folder, layout.places))  # of images that may lie anywhere
    for path in visible(folder, "*/"):
        if any(place.is_relative_to(path) or path.is_relative_to(place) for place in layout.places):
            continue
        split = split_named(path.name)
        if split is not None and split not in layout.splits and _holds_image(path):
            said = f"is not read: no {layout.format} labels of a split {split} were found"
            layout.report.add(Reason.NO_SPLIT, said, source=path)
        elif lists or (split is not None and not layout.places) or path.name.lower() in _PARTS:
            continue
        elif _holds_labels(path):
            why = "has the name of no split" if split is None else f"{split} is another folder"
            layout.report.add(Reason.NO_SPLIT, f"is not read: it holds labels, and {why}", source=path)


def _holds_image(folder: Path) -> bool:
    try:
        return any(is_image(Path(name)) for _, names in walk(folder) for name in names)
    except StorageError:
        return False


def _holds_labels(folder: Path, *, deeper: bool = True) -> bool:
    """By a first look, also into folders that are named after splits."""
    below = visible(folder, "*/")
    inner = {path.name.lower() for path in below}
    texts = [path for path in with_ending(folder, ".txt") if path.name.lower() not in NAME_FILES]
    return (
        {"images", "labels"} <= inner
        or any(starts_with(path, "annotation") for path in with_ending(folder, ".xml")[:_TRIED])
        or any(looks_like_coco(path) for path in with_ending(folder, ".json")[:_TRIED])
        or (any(is_label_file(path) for path in texts[:_TRIED]) and _holds_image(folder))
        or (deeper and any(_holds_labels(path, deeper=False) for path in below if split_named(path.name)))
    )
