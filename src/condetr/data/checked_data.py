"""A dataset, read and checked once for all processes of a machine and all later starts: its columns are kept.

Without a cache every process reads for itself, with the same result.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from condetr.core.errors import UsageError
from condetr.data.checks.check import check_images, read_with_layout
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.duplicates import Step
from condetr.data.columns.building import InexactError
from condetr.data.columns.cache import VARIABLE, Checked, DataCache, as_columns, folder_of_data_cache
from condetr.data.columns.folder_state import Watched, state_of
from condetr.data.discovery.label_files import LabelFiles
from condetr.data.discovery.layout import Layout
from condetr.data.records import Dataset
from condetr.files.folder_lock import lock_when_free
from condetr.files.inside import exists
from condetr.files.new_folder import remove_empty


@dataclass(frozen=True, slots=True)
class Watcher:
    """What is called while a dataset is read.

    Attributes:
        note: with a text for the user.
        images: with the number of images whose pixels are checked next; returns what is called after each.
    """

    note: Callable[[str], None] = lambda _: None
    images: Callable[[int], Step] = lambda _: lambda: None


SILENT = Watcher()


def checked_data(
    path: str | Path, *, masks: bool = False, panoptic: bool = False, watcher: Watcher = SILENT
) -> Checked:
    """Every split as far as it can be read, in columns, with all that `check_images` finds.

    Args:
        path: a folder or file in any format.
        masks: whether objects need a segmentation.
        panoptic: whether to prefer COCO's panoptic annotations over others in the same folder.
        watcher: is called with what happens.

    Raises:
        DataError: there is no dataset.
    """
    top, data = folder_of_data_cache(), Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links
    if top is None or not exists(data):
        return _in_columns(_read(path, masks=masks, panoptic=panoptic, watcher=watcher)[0], watcher)
    cache = DataCache(top, data, {"masks": masks, "panoptic": panoptic})
    if (kept := _kept(cache, watcher)) is not None:
        return kept
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        lock, waited = lock_when_free(cache.folder, f"reading {data}", watcher.note)
    except (OSError, UsageError) as error:
        _note_unused(cache, error, watcher)
        return _in_columns(_read(path, masks=masks, panoptic=panoptic, watcher=watcher)[0], watcher)
    try:
        if (kept := _kept(cache, watcher)) is not None:
            return kept
        if not waited:
            before = state_of(_watched(data))
            watcher.note(f"{data} is read and checked; later starts take the result from {cache.folder}")
            checked, layout = _read(path, masks=masks, panoptic=panoptic, watcher=watcher)
            return _written(cache, data, before, checked, layout, watcher)
    finally:
        is_empty = not any(cache.folder.glob("[!.]*"))
        lock.release(remove=is_empty)
        remove_empty([cache.folder] if is_empty else [])
    # The process that was waited for could not keep it: all others read at the same time.
    return _in_columns(_read(path, masks=masks, panoptic=panoptic, watcher=watcher)[0], watcher)


def _kept(cache: DataCache, watcher: Watcher) -> Checked | None:
    kept = cache.find()
    for folder in cache.damaged:
        watcher.note(f"{folder} is damaged, so the data are read again")
    if kept is not None:
        watcher.note(f"labels and checks are those kept in {cache.folder}; {VARIABLE}=off reads them again")
    return kept


def _written(cache: DataCache, data: Path, before: str, checked: Checked, layout: Layout, watcher: Watcher) -> Checked:
    """What is kept; or the same without a cache, where that cannot be."""
    if state_of(_watched(data)) != before:
        watcher.note("files changed while they were read, so nothing is kept for later starts")
        return _in_columns(checked, watcher)
    watched = _watched(data, layout, checked)
    try:
        return cache.write(checked, watched, state_of(watched))
    except (OSError, InexactError) as error:
        _note_unused(cache, error, watcher)
        return _in_columns(checked, watcher)


def _note_unused(cache: DataCache, error: Exception, watcher: Watcher) -> None:
    reason = error.reason if isinstance(error, UsageError) else getattr(error, "strerror", None) or error
    watcher.note(f"nothing is kept for later starts in {cache.folder}: {reason}; {VARIABLE} names another folder")


def _in_columns(checked: Checked, watcher: Watcher) -> Checked:
    try:
        return as_columns(checked)
    except InexactError as error:
        watcher.note(f"the labels are not kept as columns, which takes more memory: {error}")
        return checked


def _read(path: str | Path, *, masks: bool, panoptic: bool, watcher: Watcher) -> tuple[Checked, Layout]:
    layout, splits, report = read_with_layout(path, masks=masks, panoptic=panoptic)
    checks = DataReport()
    check_images(splits, checks, step=watcher.images(sum(map(len, splits.values()))))
    return Checked(splits, report, checks), layout


def _watched(data: Path, layout: Layout | None = None, checked: Checked | None = None) -> Watched:
    """The path of the data; of data that were read also all other folders of images and labels."""
    if layout is None or checked is None:
        return Watched((data,))
    roots = layout.image_sources or {dataset.root for dataset in checked.splits.values()}
    folders = {folder for dataset in checked.splits.values() for folder in _folders_of(dataset)}
    return Watched.outermost([data, *roots], folders)


def _folders_of(dataset: Dataset) -> set[Path]:
    """Where its images, its PNGs of segments and label files of single images are, or would be."""
    images: dict[Path, Path] = {}
    segments: set[Path] = set()
    for example in dataset:
        images.setdefault(example.path.parent, example.path)
        if example.segments is not None:
            segments.add(example.segments.parent)
    files = LabelFiles(list(images.values()))
    return {*images, *segments, *(folder for image in images.values() for folder in files.folders_of(image))}
