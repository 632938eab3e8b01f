"""Results into a folder as they come, in the formats that were asked for."""

import logging
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from condetr.core.errors import CondetrError, ImageError, StorageError
from condetr.core.names import ResultFormat
from condetr.files.atomic_write import write_files, write_json
from condetr.images.detections import Detections
from condetr.images.saving import image_bytes, text_bytes
from condetr.prediction.group_commit import GroupCommit
from condetr.prediction.predictor import Failure
from condetr.prediction.result_names import OutputNames
from condetr.prediction.results_folder import (
    CLASSES,
    ERRORS,
    PANOPTIC_PNGS,
    PREDICTIONS,
    RUN,
    check_same,
    clear,
)
from condetr.prediction.results_log import Journal, entries_of
from condetr.prediction.sources import ImageSource, identity_of
from condetr.prediction.tables import (
    COCO_IMAGES,
    COCO_PANOPTIC,
    COCO_RESULTS,
    CSV,
    coco_images_writer,
    coco_panoptic_writer,
    coco_results_writer,
    csv_writer,
)

_LONGEST_JPEG_SIDE = 65_000
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_logger = logging.getLogger(__name__)


class ResultWriter:
    """Writes the results of one run.

    predictions.jsonl is the journal: whatever is asked for, it holds every finished image, and from it a run
    goes on and its tables are made. An image counts as finished when all its files are whole.
    """

    def __init__(
        self,
        folder: Path,
        formats: Sequence[ResultFormat],
        *,
        run: Mapping[str, Any],
        about: Mapping[str, Any],
        overwrite: bool,
        labels: Mapping[int, str],
        source_ids: Sequence[int] | None = None,
        stuff: Collection[int] = (),
    ) -> None:
        """Begin, or go on, in a folder that ``output_folder.claim`` made ready.

        Args:
            folder: where to.
            formats: what to write for people and other programs, besides the journal.
            run: what the results depend on, as JSON values; a run goes on only where it is the same.
            about: what else to note about it.
            overwrite: remove the results of an earlier run.
            labels: name of every class id.
            source_ids: the id of every class in the data set, where known.
            stuff: ids of classes that are not counted.
        """
        if overwrite:
            clear(folder)
        check_same(folder, run)
        self.folder, self._formats, self._run = folder, frozenset(formats), {**run, **about}
        write_files(folder, {RUN: partial(write_json, self._run | {"state": "running"})})
        self._stuff = frozenset(stuff)
        self._labels, self._category_ids = dict(labels), dict(enumerate(source_ids or ()))
        (folder / ERRORS).unlink(missing_ok=True)
        done = {entry["source"]: entry["output"] for entry in entries_of(folder / PREDICTIONS)}  # the last counts
        self._done = {identity_of(source) for source in done}
        self._journal = Journal(folder / PREDICTIONS)
        self._group = GroupCommit(self._journal)
        self._errors: Journal | None = None
        self._names = OutputNames(done)
        self.counts = Counter(ok=0, failed=0, before=len(self._done))

    def note(self, **more: Any) -> None:
        """What is known at the end only, for the description of the run."""
        self._run |= more

    def is_done(self, source: ImageSource) -> bool:
        """Whether an earlier run finished it."""
        return source.identity in self._done

    def add(self, source: ImageSource, result: Detections | Failure) -> Detections | Failure:
        """Write one result. An image that went away, or changed, before it was drawn on counts as failed.

        Painting never ends a run: what cannot be painted is listed as an error and counted as "not_painted", and
        all else of the image is written.

        Raises:
            StorageError: it cannot be written.
        """
        if isinstance(result, Detections):
            try:
                name = self._names.name_for(source)
                painted = self._painted(result)
                files = self._write_files(name, result, painted)
                self._group.add(result.to_dict() | {"output": name}, files)
            except StorageError:
                raise
            except CondetrError as error:
                result = Failure(source.name, error)
        if isinstance(result, Failure):
            self._list(result)
        self.counts["failed" if isinstance(result, Failure) else "ok"] += 1
        return result

    def _list(self, failure: Failure) -> None:
        if self._errors is None:
            self._errors = Journal(self.folder / ERRORS)
        self._errors.add(failure.to_dict())

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave a whole folder, also of a run that ends early."""
        self.close(state="complete" if error is None else "interrupted", quietly=error is not None)

    def close(self, *, state: Literal["complete", "interrupted"], quietly: bool = False) -> None:
        try:
            self._group.commit()
            self._journal.close()
            if self._errors is not None:
                self._errors.close()
            write_files(self.folder, self._tables())
            run = self._run | {"state": state, "counts": dict(self.counts)}
            write_files(self.folder, {RUN: partial(write_json, run)})
        except StorageError:
            if not quietly:
                raise

    def _painted(self, result: Detections) -> tuple[str, bytes] | None:
        """The file ending and content of the painted image, where it is wanted and can be made."""
        if "images" not in self._formats:
            return None
        ending = ".jpg" if max(result.size) <= _LONGEST_JPEG_SIDE else ".png"
        try:
            return ending, image_bytes(result.draw(), ending)
        except CondetrError:
            raise
        except Exception as error:  # whatever it is, the detections are right
            self.counts["not_painted"] += 1
            failure = not_painted(result, error)
            _logger.warning("%s", failure.error)
            self._list(failure)
            return None

    def _write_files(self, name: str, result: Detections, painted: tuple[str, bytes] | None) -> list[Path]:
        contents: dict[Path, bytes] = {}
        if painted is not None:
            contents[self.folder / "images" / f"{name}{painted[0]}"] = painted[1]
        if "json" in self._formats:
            contents[self.folder / "json" / f"{name}.json"] = text_bytes(result.to_json() + "\n")
        if "coco-panoptic" in self._formats:
            plane, _ = result.to_coco_panoptic(0, name)
            contents[self.folder / PANOPTIC_PNGS / f"{name}.png"] = image_bytes(plane, ".png")
        if "yolo" in self._formats:
            contents[self.folder / "labels" / f"{name}.txt"] = text_bytes(result.to_yolo())
        for path, content in contents.items():
            write_files(path.parent, {path.name: partial(_write_bytes, content)}, to_disk=False)
        return list(contents)

    def _tables(self) -> dict[str, Any]:
        journal, tables = self._journal.path, {}
        if "csv" in self._formats:
            tables[CSV] = csv_writer(journal)
        if "coco" in self._formats:
            tables[COCO_RESULTS] = coco_results_writer(journal, self._category_ids)
            tables[COCO_IMAGES] = coco_images_writer(journal)
        if "coco-panoptic" in self._formats:
            tables[COCO_PANOPTIC] = coco_panoptic_writer(journal, self._labels, self._category_ids, self._stuff)
        if "yolo" in self._formats:
            names = "".join(f"{_line_of(label, name)}\n" for label, name in self._labels.items())
            tables[CLASSES] = partial(_write_bytes, names.encode())
        return tables


def not_painted(result: Detections, error: Exception) -> Failure:
    """That the detections of an image could not be drawn on it."""
    reason = f"the detections could not be drawn: {type(error).__name__}: {error}"
    failed = ImageError(reason, source=result.source, item="images", hint="all else of this image is written")
    return Failure(result.source or "", failed)


def _line_of(label: int, name: str) -> str:
    """The name of a class in one line of text, which is not empty: readers leave empty lines out."""
    return _NO_TEXT.sub("?", " ".join(name.split())) or f"class {label}"


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)
