"""How the images of a dataset get into a new one: as copies, as links, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from condetr.data.stored_images import StoredImage
from condetr.files.new_folder import OutputFolder

Transfer: TypeAlias = Literal["copy", "link", "none"]


@dataclass(frozen=True, slots=True)
class ImageTransfer:
    """Puts images into an output folder.

    Attributes:
        how: "copy"; "link": a hard link, which takes no space, else a symbolic link, else a copy; "none": only labels
            are written.
        step: called after each image.
    """

    how: Transfer = "copy"
    step: Callable[[], None] = lambda: None

    def __call__(self, source: Path | StoredImage, output: OutputFolder, name: str) -> None:
        """Put one image under the name; a part of a file is always copied.

        Raises:
            StorageError: it cannot be read or written.
            ImageError: a part of a file cannot be read.
        """
        if isinstance(source, StoredImage):
            if self.how != "none":
                output.write_bytes(name, source.read())
        elif self.how == "copy":
            output.copy(source, name)
        elif self.how == "link":
            output.link(source, name)
        self.step()


COPY, LINK = ImageTransfer("copy"), ImageTransfer("link")
