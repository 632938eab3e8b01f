"""The metrics of a run as JSON lines and CSV; a failure to write them never stops training."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from condetr.training.progress import Progress
from condetr.training.run.events import EventHandler, Warned, ignore_events

Row: TypeAlias = dict[str, Any]
LINES, DAMAGED = "metrics.jsonl", "metrics-damaged.jsonl"
_LARGEST = 2**63


class MetricsLog:
    """``metrics.jsonl`` and ``metrics.csv`` of a run folder, and the same rows in memory."""

    def __init__(self, folder: Path, say: EventHandler, rows: Sequence[Row]) -> None:
        """Start the files anew with ``rows``."""
        self._lines, self._table = folder / LINES, folder / "metrics.csv"
        self._say = say
        self.failed = 0
        self.rows = list(rows)
        self._columns: list[str] = []
        self._write_all()

    def add(self, row: Mapping[str, Any]) -> None:
        """``row`` has a "step"; its other keys are metrics."""
        self.rows.append(dict(row))
        if any(name not in self._columns for name in row):
            self._write_all()
            return
        self._append(self._lines, json.dumps(row) + "\n")
        self._append(self._table, _as_csv([row], self._columns))

    def _write_all(self) -> None:
        self._columns = list(dict.fromkeys(name for row in self.rows for name in row))
        header = ",".join(self._columns) + "\n" if self._columns else ""
        self._replace(self._lines, "".join(json.dumps(row) + "\n" for row in self.rows))
        self._replace(self._table, header + _as_csv(self.rows, self._columns))

    def _append(self, path: Path, text: str) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            self._warn(path, error)

    def _replace(self, path: Path, text: str) -> None:
        staged = path.with_name(f".{path.name}")
        try:
            staged.write_text(text, encoding="utf-8")
            staged.replace(path)
        except OSError as error:
            self._warn(path, error)

    def _warn(self, path: Path, error: OSError) -> None:
        if not self.failed:
            self._say(Warned(f"{path} cannot be written, training continues without it: {error.strerror or error}"))
        self.failed += 1

    def report_totals(self) -> None:
        """At the end: how often writing failed."""
        if self.failed > 1:
            self._say(Warned(f"{self._lines.parent}: the log could not be written {self.failed} times"))


def rows_before(folder: Path, progress: Progress, say: EventHandler = ignore_events) -> list[Row]:
    """The rows of a run up to ``progress``; a resumed run writes later ones again.

    Damaged rows are left out and counted; the original file is copied.
    """
    rows, damaged = _read(folder / LINES)
    if damaged:
        copy = folder / DAMAGED
        with suppress(OSError):
            copy.write_bytes((folder / LINES).read_bytes())
        say(Warned(f"{folder / LINES}: {damaged} damaged rows are left out; {copy.name} is a copy of the file"))
    return [row for row in rows if _precedes(row, progress)]


def _precedes(row: Row, progress: Progress) -> bool:
    if row["step"] != progress.step:
        return bool(row["step"] < progress.step)
    if progress.step == 0:
        return progress.best is not None  # of the start model
    return is_of_training(row) or progress.evaluated_step == progress.step


def is_of_training(row: Row) -> bool:
    return "pictures_per_second" in row


def _read(path: Path) -> tuple[list[Row], int]:
    """The rows, and the number of damaged lines; the last line may be incomplete, which is no damage."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:  # missing, or a folder: the next write reports it
        return [], 0
    rows = [_row_of(line) for line in lines]
    damaged = sum(row is None for row in rows[:-1])
    return [row for row in rows if row is not None], damaged


def _row_of(line: bytes) -> Row | None:
    """None unless it is a row of `MetricsLog`: a step and finite numbers."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return None
    is_whole = all(type(value) is float or (type(value) is int and abs(value) < _LARGEST) for value in row.values())
    return row if is_whole and all(map(math.isfinite, row.values())) else None


def _as_csv(rows: list[Any], columns: list[str]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
    return text.getvalue()
