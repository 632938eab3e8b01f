"""What a format of labels is called, how it is found, and what condetr reads of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from condetr.data.discovery.layout import Layout


@dataclass(frozen=True)
class ReadableFormat:
    """One format.

    Attributes:
        name: in JSON.
        title: in text.
        labels: the files it is detected by.
        images: where the images are looked for.
        masks: what is read as masks, besides boxes.
        folder: the dataset in a folder, if it has this format; raises CondetrError where it is damaged.
        file: the dataset of one label file, likewise.
    """

    name: str
    title: str
    labels: str
    images: str
    masks: str
    folder: Callable[[Path], Layout | None]
    file: Callable[[Path], Layout | None] | None = None


def folder_of(label_file: Path) -> Path:
    """The folder of the dataset of one label file: its own, or the one above `annotations/`."""
    folder = label_file.parent
    return folder.parent if folder.name.lower() in ("annotations", "labels") else folder
