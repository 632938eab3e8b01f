"""Formats with a text file for each image, and in it a line for each object."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from condetr.data.discovery.label_files import labels_of
from condetr.data.discovery.layout import Layout
from condetr.data.tools.label_files import files_by_split, image_named_after
from condetr.data.tools.labels import LabeledImage, ReadShape, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.files.text import lines_of


class LineFormat(NamedTuple):
    """What a format is; the records are lines.

    Attributes:
        name: of the format.
        is_label_file: whether a file has it, by its first bytes.
        is_object: whether a line, which is not blank, is that of an object.
        class_of: the class of a line; None where it has none, or one that is left out.
        image_folders: where the image of a label file may be, by name.
        shape_of: reads a line.
    """

    name: str
    is_label_file: Callable[[Path], bool]
    is_object: Callable[[str], bool]
    class_of: Callable[[str], str | None]
    image_folders: Callable[[Path], Sequence[str]]
    shape_of: ReadShape


def lines_in(folder: Path, kind: LineFormat) -> Layout | None:
    """The labels of this format in a folder, if there are any."""
    files = files_by_split(folder, ".txt", kind.is_label_file, one_an_image=True, whole_folders=True)
    if not files:
        return None
    read = partial(_labels_of, folder, files, kind)
    return tool_layout(kind.name, folder, list(files), read, kind.shape_of, one_an_image=True)


def is_number(word: str | bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _labels_of(folder: Path, files: Mapping[str, list[Path]], kind: LineFormat) -> ToolLabels:
    splits = {split: SplitLabels() for split in files}
    names = set[str | None]()
    for split, paths in files.items():
        for path in paths:
            with splits[split].report.at(path):
                lines = [line for line in lines_of(labels_of(path)) if line.strip() and kind.is_object(line)]
                names.update(map(kind.class_of, lines))
                image = image_named_after(path, folder, kind.image_folders(path))
                splits[split].images.append(LabeledImage(image, path, None, lines))
    return ToolLabels(classes_of(sorted(name for name in names if name is not None)), splits)
