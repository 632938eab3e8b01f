"""What is known of labels that a model detected: scores, beside the labels, and the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from condetr.files.new_folder import OutputFolder
from condetr.images.file_formats import csv_text
from condetr.images.saving import text_bytes

SCORES = "scores.csv"


@dataclass(frozen=True, slots=True)
class Predicted:
    """Scores of the objects of each image, in their order, and the name and version of the model.

    ``rows`` are those of the table `scores.csv`, see `images.file_formats.CSV_HEADER`.
    """

    scores: Mapping[Path, Sequence[float]]
    rows: Sequence[Sequence[str | int | float]]
    model: str

    @property
    def table(self) -> bytes:
        """The content of the table of scores."""
        return text_bytes(csv_text(self.rows))

    def write(self, output: OutputFolder) -> None:
        """Write the table of scores. Raises StorageError."""
        output.write_bytes(SCORES, self.table)
