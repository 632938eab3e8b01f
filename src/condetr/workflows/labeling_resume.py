"""Labeling that goes on where it was killed: detections are kept beside the output until that is complete."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from condetr.core.errors import DataError, UsageError
from condetr.files.new_folder import UNFINISHED, check_unused, remove_empty
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure
from condetr.prediction.results_folder import PREDICTIONS, claim, clear
from condetr.prediction.results_log import latest_entries_of
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sources import ImageSource, identity_of

_logger = logging.getLogger(__name__)
_HINT = "give another --output, or remove this folder"


def check_output(output: Path) -> None:
    """Raises UsageError: the folder is not new, and was not left by a labeling that was killed."""
    if not _was_killed(output):
        check_unused(output)


class Detected:
    """The detections of images so far; new ones are written down before they are used."""

    def __init__(self, folder: Path, writer: ResultWriter) -> None:
        self._writer = writer
        self._entries = {identity_of(entry["source"]): entry for entry in latest_entries_of(folder / PREDICTIONS)}
        self.before = len(self._entries)

    def results(
        self,
        images: Sequence[ImageSource],
        predict: Callable[[list[ImageSource]], Iterator[Detections | Failure]],
    ) -> Iterator[Detections | Failure]:
        """One for each image, in order; ``predict`` gets those that have none."""
        new = predict([image for image in images if image.identity not in self._entries])
        for image in images:
            entry = self._entries.get(image.identity)
            yield self._writer.add(image, next(new)) if entry is None else Detections.from_dict(entry)


@contextmanager
def detected_before(output: Path, run: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[Detected]:
    """The detections of an earlier, killed run, in the folder OUTPUT.unfinished; it is removed at the end.

    Args:
        output: the folder that is written afterwards.
        run: what the detections depend on, as JSON values.
        names: of every class id.

    Raises:
        UsageError: the earlier run had other settings, or another one is labeling into this folder.
        StorageError: the folder cannot be written.
    """
    folder = _folder_of(output)
    try:
        with claim(folder, "resume") as claimed:
            if claimed.missing:
                _logger.warning(claimed.missing)
            try:
                writer = ResultWriter(
                    folder, (), run=json.loads(json.dumps(run)), about={}, overwrite=False, labels=names
                )
            except UsageError as error:
                raise UsageError(error.reason, source=folder, item=error.item, hint=_HINT) from error
            if _was_killed(output):
                shutil.rmtree(output / UNFINISHED, ignore_errors=True)
            with _kept_where_useful(folder), writer:
                yield Detected(folder, writer)
    finally:
        remove_empty([folder])


@contextmanager
def _kept_where_useful(folder: Path) -> Iterator[None]:
    """Remove the detections at the end, and after errors that the same command would meet again."""
    try:
        yield
    except (UsageError, DataError):
        clear(folder)
        raise
    except BaseException:
        if not any(latest_entries_of(folder / PREDICTIONS)):
            clear(folder)
        raise
    clear(folder)


def _folder_of(output: Path) -> Path:
    absolute = Path(os.path.abspath(output))  # noqa: PTH100  also of "."
    return absolute.with_name(f"{absolute.name}{UNFINISHED}")


def _was_killed(output: Path) -> bool:
    """Whether a labeling was killed while it wrote the folder."""
    return _folder_of(output).is_dir() and output.is_dir() and os.listdir(output) == [UNFINISHED]  # noqa: PTH208
