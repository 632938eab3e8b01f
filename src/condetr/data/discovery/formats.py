"""From any path to labeled images to datasets: the format is detected by content, the splits by name."""

import os
from contextlib import suppress
from pathlib import Path

from condetr.core.errors import CondetrError, DataError, StorageError, UsageError
from condetr.data.checks.problems import ProblemKind
from condetr.data.checks.verdict import require_usable
from condetr.data.coco.layout import (
    PANOPTIC,
    coco_file,
    coco_in,
    holds_segments,
    looks_like_coco,
    panoptic_file,
    panoptic_in,
)
from condetr.data.discovery.description import FORMAT as DESCRIBED
from condetr.data.discovery.description import described, is_description
from condetr.data.discovery.disk import absence_of, check_listable, is_file, is_folder, visible, walk, with_ending
from condetr.data.discovery.label_files import NAME_FILES, is_label_file
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_formats import FORMATS, TOOLS
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset
from condetr.data.voc.layout import voc_in
from condetr.data.voc.strict_xml import starts_with
from condetr.data.yolo.folders import yolo_in
from condetr.data.yolo.layout import is_yolo_yaml, yolo_file
from condetr.files.inside import exists
from condetr.files.json_reading import read_json
from condetr.files.text import yaml_of
from condetr.images.file_endings import has_image_ending

_PARTS = ("annotations", "labels", "images")  # folders inside of one dataset
_TRIED = 20  # files of a folder that show what it is
_DEEPEST = 3  # levels of folders that are searched for a dataset
_DESCRIPTION_BYTES = 2**20  # a larger JSON file holds labels itself
_EXPECTED = (
    "expected COCO (annotations/*.json, also panoptic), YOLO (data.yaml), Pascal VOC (Annotations/*.xml), "
    f"{', '.join(tool.title for tool in TOOLS)}, or a YAML or JSON file with `splits:`"
)


def layout_of(path: str | Path, *, panoptic: bool = False) -> Layout:
    """The format of a folder or file, and its splits.

    Args:
        path: a folder or file in any of the formats.
        panoptic: whether to prefer COCO's panoptic annotations over others in the same folder.

    Raises:
        UsageError: nothing exists there.
        DataError: it has no known format, or, with ``panoptic``, none that is panoptic.
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
    elif (found := _tool_layout(path)) is not None:
        return found
    elif path.suffix.lower() == ".json":
        content = read_json(path) if path.stat().st_size < _DESCRIPTION_BYTES else None
        if not is_description(content):
            is_panoptic = holds_segments(path)
            read = panoptic_file(path) if is_panoptic else coco_file(path)
            return Layout(PANOPTIC if is_panoptic else "coco", path, {split_named(path.stem) or "all": read})
    else:
        content = None
    if not is_description(content):
        raise DataError("is no dataset of a known format", source=path, hint=_EXPECTED)
    return described(path, content)


def _tool_layout(path: Path) -> Layout | None:
    """The dataset of one label file of a tool."""
    found = (tool.file(path) for tool in TOOLS if tool.file is not None)
    return next((layout for layout in found if layout is not None), None)


def read_dataset(path: str | Path, split: str | None = None, *, masks: bool = False, panoptic: bool = False) -> Dataset:
    """One split; it need not be named if there is only one.

    Args:
        path: a folder or file in any of the formats.
        split: its name, as in `layout_of`.
        masks: whether objects need a segmentation.
        panoptic: whether to prefer COCO's panoptic annotations over others in the same folder.

    Raises:
        DataError: there is no such dataset or split, or nothing in it can be used.
        AnnotationError: labels must be fixed before training; the first problem is named.
    """
    layout = layout_of(path, panoptic=panoptic)
    if split is None and len(layout.names) == 1:
        split = layout.names[0]
    if split is None or split not in layout.splits:
        question = "which split?" if split is None else f"has no split {split!r};"
        absent = "".join(f"; {finding.message}" for finding in layout.report.of(ProblemKind.MISSING_SPLIT))
        raise DataError(f"{question} there are {', '.join(layout.names)}{absent}", source=path, item="split")
    return _checked(layout.read(split, masks=masks), path, panoptic=panoptic)


def read_splits(path: str | Path, *, masks: bool = False, panoptic: bool = False) -> dict[str, Dataset]:
    """All splits, by name, with one table of classes; the arguments are those of `read_dataset`.

    Raises:
        DataError: as `read_dataset`, or the splits have different classes.
    """
    layout = layout_of(path, panoptic=panoptic)
    datasets = {
        split: _checked(layout.read(split, masks=masks, again=number > 0), path, panoptic=panoptic)
        for number, split in enumerate(layout.names)
    }
    first = next(iter(datasets))
    for split, dataset in datasets.items():
        if dataset.classes != datasets[first].classes:
            different = sorted(set(dataset.classes.names) ^ set(datasets[first].classes.names))
            reason = f"{split} and {first} do not have the same classes in the same order; only in one: {different}"
            raise DataError(reason, source=path, item="categories")
    return datasets


def _checked(dataset: Dataset, path: str | Path, *, panoptic: bool) -> Dataset:
    if panoptic and not dataset.columns.has_segments.all():
        raise _not_panoptic(path, dataset.split)
    return require_usable(dataset, path)


def _not_panoptic(path: str | Path, what: str) -> DataError:
    reason = f"holds annotations ({what}) that are not panoptic: they do not assign every pixel to at most one segment"
    return DataError(reason, source=path, hint="give a COCO panoptic JSON file, or the folder that holds it")


def _folder_layout(folder: Path, *, panoptic: bool) -> Layout:
    check_listable(folder)
    coco = panoptic_in(folder) if panoptic else coco_in(folder) or panoptic_in(folder)
    layouts, errors = [coco] if coco is not None else [], list[CondetrError]()
    for other_in in (yolo_in, voc_in, *(tool.folder for tool in TOOLS)):
        try:
            layout = other_in(folder)
        except CondetrError as error:
            errors.append(error)
        else:
            layouts += [layout] if layout is not None else []
    if not layouts and errors:
        raise errors[0]
    if not layouts and panoptic:
        return _folder_layout(folder, panoptic=False)
    if not layouts:
        for path in visible(folder, "*/"):
            check_listable(path)
        raise DataError("holds no dataset of a known format", source=folder, hint=_hint_below(folder) or _EXPECTED)
    chosen, *others = layouts
    for other in others:
        message = f"{other.format} labels are there, too; {chosen.format} is read"
        chosen.report.add(ProblemKind.OTHER_FORMAT, message, source=folder)
    _report_unread(folder, chosen)
    for failed in errors:
        chosen.report.add(ProblemKind.OTHER_FORMAT, f"{failed}; {chosen.format} is read", source=folder)
    return chosen


def _hint_below(folder: Path) -> str:
    """What to do if the dataset lies in a folder further down, as archives are often packed; "" if it does not."""
    level = [folder]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in visible(outer, "*/")][:_TRIED]
        datasets = [str(path) for path in level if _is_dataset(path) and _holds_image(path)]
        if len(datasets) == 1:
            return f"but {datasets[0]} does: give that folder"
        if datasets:
            return f"but {', '.join(datasets)} do: give one of them, or a YAML file with `splits:` that names them"
    return ""


def _is_dataset(folder: Path) -> bool:
    for each in FORMATS:
        with suppress(CondetrError, OSError):
            if each.folder(folder) is not None:
                return True
    return False


def _report_unread(folder: Path, layout: Layout) -> None:
    """Report folders that are named after a split for which there are no labels, or that hold labels of their own."""
    lists = not all(map(is_folder, layout.image_sources))  # of images that may lie anywhere
    for path in visible(folder, "*/"):
        if any(source.is_relative_to(path) or path.is_relative_to(source) for source in layout.image_sources):
            continue
        split = split_named(path.name)
        if split is not None and split not in layout.splits and _holds_image(path):
            message = f"is not read: no {layout.format} labels of a split {split} were found"
            layout.report.add(ProblemKind.NO_SPLIT, message, source=path)
        elif lists or (split is not None and not layout.image_sources) or path.name.lower() in _PARTS:
            continue
        elif _holds_labels(path):
            why = "has the name of no split" if split is None else f"{split} is another folder"
            layout.report.add(ProblemKind.NO_SPLIT, f"is not read: it holds labels, and {why}", source=path)


def _holds_image(folder: Path) -> bool:
    try:
        return any(has_image_ending(name) for _, names in walk(folder) for name in names)
    except StorageError:
        return False


def _holds_labels(folder: Path, *, deeper: bool = True) -> bool:
    """Whether the first files look like labels, also in folders that are named after splits."""
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
