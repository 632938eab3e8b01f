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
from condetr.data.predicted import SCORES, Predicted
from condetr.files.atomic_write import writing_to
from condetr.files.new_folder import UNFINISHED, check_unused, finish, remove_empty
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure
from condetr.prediction.results_folder import PREDICTIONS, RUN, claim, clear, read_run
from condetr.prediction.results_log import latest_entries_of
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sources import ImageSource, identity_of

_logger = logging.getLogger(__name__)
_LABELS = "labels"  # in the record of a run
_HINT = "give another --output, or remove this folder"


def check_output(output: Path) -> None:
    """Raises UsageError: the folder is not new, and was not left by a labeling that was killed."""
    if not _was_killed(output):
        check_unused(output)


def completed(output: Path, predicted: Predicted) -> bool:
    """Whether a run that was killed had written these labels; what it had not moved to its place yet is moved there.

    The scores are written last: where they are complete, all files are.

    Raises:
        StorageError: the folder cannot be written.
    """
    with writing_to(output):
        for folder in (output / UNFINISHED, output):
            if (folder / SCORES).is_file() and (folder / SCORES).read_bytes() == predicted.table:
                if (output / UNFINISHED).is_dir():
                    finish(output)
                _logger.warning("%s was written by an earlier run, which was killed at its end", output)
                return True
    return False


class Detected:
    """The detections of images so far; new ones are written down before they are used.

    Attributes:
        before: how many images an earlier run, which was killed, had detections of.
        same_labels: whether it would have made the same labels of them.
    """

    def __init__(self, folder: Path, writer: ResultWriter, *, same_labels: bool) -> None:
        self._writer, self.same_labels = writer, same_labels
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
def detected_before(
    output: Path, run: Mapping[str, Any], names: Mapping[int, str], labels: Mapping[str, Any]
) -> Iterator[Detected]:
    """The detections of an earlier, killed run, in the folder OUTPUT.unfinished; it is removed at the end.

    Args:
        output: the folder that is written afterwards.
        run: what the detections depend on, as JSON values.
        names: of every class id.
        labels: what the labels depend on besides, as JSON values.

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
                earlier = read_run(folder / RUN).get(_LABELS) if (folder / RUN).exists() else None
                run, about = json.loads(json.dumps(run)), {_LABELS: dict(labels)}
                writer = ResultWriter(folder, (), run=run, about=about, overwrite=False, labels=names)
            except UsageError as error:
                raise UsageError(error.reason, source=folder, item=error.item, hint=_HINT) from error
            if _entries_of(output) == [UNFINISHED]:
                shutil.rmtree(output / UNFINISHED, ignore_errors=True)
            with _kept_where_useful(folder), writer:
                yield Detected(folder, writer, same_labels=earlier in (None, labels))
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
    """Whether a labeling was killed while it wrote the folder, or after that."""
    if not _folder_of(output).is_dir():
        return False
    has_scores = any((folder / SCORES).is_file() for folder in (output / UNFINISHED, output))
    return has_scores or _entries_of(output) == [UNFINISHED]


def _entries_of(output: Path) -> list[str]:
    return os.listdir(output) if output.is_dir() else []  # noqa: PTH208
