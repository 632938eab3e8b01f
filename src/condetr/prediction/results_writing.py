"""Writes results to a folder as they arrive, in the requested formats."""

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
from condetr.files.atomic_write import write_files, write_json, write_together
from condetr.images.detections import Detections
from condetr.images.drawing.crops import crop_files, crops_of
from condetr.images.saving import image_bytes, text_bytes
from condetr.prediction.group_commit import GroupCommit
from condetr.prediction.input.listing import Listing
from condetr.prediction.predictor import Failure
from condetr.prediction.result_names import OutputNames
from condetr.prediction.results_folder import (
    CLASSES,
    CROPS,
    ERRORS,
    PANOPTIC_PNGS,
    PREDICTIONS,
    RUN,
    check_same,
    clear,
)
from condetr.prediction.results_log import Journal, entries_of
from condetr.prediction.sharding.record import POSITION, write_shard_record
from condetr.prediction.sharding.shard import Shard
from condetr.prediction.sources import ImageSource, identity_of
from condetr.prediction.tables import Classes, table_names, write_tables

_LONGEST_JPEG_SIDE = 65_000
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_logger = logging.getLogger(__name__)


class ResultWriter:
    """Writes the results of one run.

    predictions.jsonl is the journal: in any format, it has every finished image, and from it a run resumes and its
    tables are made. An image is finished when all its files are complete.
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
        scores: bool = False,
        shard: Shard | None = None,
    ) -> None:
        """Start or resume in a folder from ``results_folder.claim``.

        Args:
            folder: for the results.
            formats: to write besides the journal.
            run: settings that the results depend on, as JSON values; a run resumes only with the same.
            about: further notes for run.json.
            overwrite: remove the results of an earlier run.
            labels: name of every class id.
            source_ids: category id of every class in its dataset, if known.
            stuff: class ids of stuff (uncountable regions).
            scores: whether YOLO's lines end with the score.
            shard: which part of a run this is; the other parts have folders of their own.
        """
        if overwrite:
            clear(folder)
        check_same(folder, run)
        self.folder, self._formats, self._run = folder, frozenset(formats), {**run, **about}
        write_files(folder, {RUN: partial(write_json, self._run | {"state": "running"})})
        self._scores, self._shard = scores, shard
        self._classes = Classes(
            names=dict(labels), category_ids=dict(enumerate(source_ids or ())), stuff=frozenset(stuff)
        )
        if shard is not None:
            write_shard_record(folder, shard, self._classes)
        (folder / ERRORS).unlink(missing_ok=True)
        done = {
            entry["source"]: entry["output"] for entry in entries_of(folder / PREDICTIONS)
        }  # the last line of an image counts
        self._done = {identity_of(source) for source in done}
        self._journal = Journal(folder / PREDICTIONS)
        self._group = GroupCommit(self._journal)
        self._errors: Journal | None = None
        self._names = OutputNames(done)
        self.counts = Counter(ok=0, failed=0, before=len(self._done))

    def note(self, **entries: Any) -> None:
        """Add entries to run.json that are known at the end only."""
        self._run |= entries

    def is_done(self, source: ImageSource) -> bool:
        """Whether an earlier run finished this image."""
        return source.identity in self._done

    def add(self, source: ImageSource, result: Detections | Failure) -> Detections | Failure:
        """Write one result. An image that was removed or changed before it was drawn on counts as failed.

        A failed drawing never ends a run: it is listed as an error and counted as "not_painted", and all other
        files of the image are written.

        Raises:
            StorageError: the result cannot be written.
        """
        if isinstance(result, Detections):
            try:
                name = self._names.name_for(source)
                drawing = self._drawing(source, result)
                files = self._write_files(name, result, drawing)
                self._group.add(result.to_dict() | {"output": name} | _position(source), files)
            except StorageError:
                raise
            except CondetrError as error:
                result = Failure(source.name, error)
        if isinstance(result, Failure):
            self._record_failure(source, result)
        self.counts["failed" if isinstance(result, Failure) else "ok"] += 1
        return result

    def _record_failure(self, source: ImageSource, failure: Failure) -> None:
        if self._errors is None:
            self._errors = Journal(self.folder / ERRORS)
        self._errors.add(failure.to_dict() | _position(source))

    def listed(self, listing: Listing) -> None:
        """Note that all images of a shard have been listed, and which they are."""
        if self._shard is not None:
            write_shard_record(self.folder, self._shard, self._classes, listing)

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the folder, also of a run that ends early."""
        self.close(state="complete" if error is None else "interrupted", quietly=error is not None)

    def close(self, *, state: Literal["complete", "interrupted"], quietly: bool = False) -> None:
        try:
            self._group.commit()
            self._journal.close()
            if self._errors is not None:
                self._errors.close()
            self._write_tables()
            run = self._run | {"state": state, "counts": dict(self.counts)}
            write_files(self.folder, {RUN: partial(write_json, run)})
        except StorageError:
            if not quietly:
                raise

    def _drawing(self, source: ImageSource, result: Detections) -> tuple[str, bytes] | None:
        """Extension and content of the annotated image, if requested and possible."""
        if "images" not in self._formats:
            return None
        extension = ".jpg" if max(result.size) <= _LONGEST_JPEG_SIDE else ".png"
        try:
            return extension, image_bytes(result.draw(), extension)
        except CondetrError:
            raise
        except Exception as error:  # the detections are valid anyway
            self.counts["not_painted"] += 1
            failure = not_painted(result, error)
            _logger.warning("%s", failure.error)
            self._record_failure(source, failure)
            return None

    def _write_files(self, name: str, result: Detections, drawing: tuple[str, bytes] | None) -> list[Path]:
        contents: dict[Path, bytes] = {}
        if drawing is not None:
            contents[self.folder / "images" / f"{name}{drawing[0]}"] = drawing[1]
        if "json" in self._formats:
            contents[self.folder / "json" / f"{name}.json"] = text_bytes(result.to_json() + "\n")
        if "coco-panoptic" in self._formats:
            png, _ = result.to_coco_panoptic(0, name)
            contents[self.folder / PANOPTIC_PNGS / f"{name}.png"] = image_bytes(png, ".png")
        if "crops" in self._formats and len(result):
            crops = crops_of(result.upright(), result.boxes)
            for file, crop in zip(crop_files(name, result.names), crops, strict=True):
                contents[self.folder / CROPS / file] = image_bytes(crop, ".jpg")
        if "yolo" in self._formats:
            contents[self.folder / "labels" / f"{name}.txt"] = text_bytes(result.to_yolo(scores=self._scores))
        for path, content in contents.items():
            write_files(path.parent, {path.name: partial(_write_bytes, content)}, to_disk=False)
        return list(contents)

    def _write_tables(self) -> None:
        write_result_tables(self.folder, self._formats, self._classes)


def write_result_tables(folder: Path, formats: Collection[ResultFormat], classes: Classes) -> None:
    """Write the tables of a run, made from its journal, and the names of the classes for YOLO.

    Raises:
        StorageError: they cannot be written, or the journal cannot be read.
    """
    write_together(folder, table_names(formats), lambda paths: write_tables(folder / PREDICTIONS, paths, classes))
    if "yolo" in formats:
        names = "".join(f"{_line_of(label, name)}\n" for label, name in classes.names.items())
        write_files(folder, {CLASSES: partial(_write_bytes, names.encode())})


def _position(source: ImageSource) -> dict[str, int]:
    """The last entry of the lines of a shard, by which they are merged."""
    return {} if source.position is None else {POSITION: source.position}


def not_painted(result: Detections, error: Exception) -> Failure:
    """The failure of an image whose detections could not be drawn."""
    reason = f"the detections could not be drawn: {type(error).__name__}: {error}"
    failed = ImageError(reason, source=result.source, item="images", hint="all other results of this image are written")
    return Failure(result.source or "", failed)


def _line_of(label: int, name: str) -> str:
    """The name of a class as one line, never empty, since readers skip empty lines."""
    return _NO_TEXT.sub("?", " ".join(name.split())) or f"class {label}"


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)
