"""What was measured, as lines of JSON and as a table; neither may ever stop a training."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from condetr.training.events import Say, Warned
from condetr.training.progress import Progress

Row: TypeAlias = dict[str, Any]
LINES = "metrics.jsonl"


class MetricsLog:
    """``metrics.jsonl`` and ``metrics.csv`` of a run folder, and the same rows in memory."""

    def __init__(self, folder: Path, say: Say, rows: Sequence[Row]) -> None:
        """``rows`` are those to begin with; what the files have beside them is forgotten."""
        self._lines, self._table = folder / LINES, folder / "metrics.csv"
        self._say = say
        self.is_broken = False
        self.rows = list(rows)
        self._columns: list[str] = []
        self._write_all()

    def add(self, row: Mapping[str, Any]) -> None:
        """``row`` has a "step"; what it measures is named by its other keys."""
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
            self._complain(path, error)

    def _replace(self, path: Path, text: str) -> None:
        staged = path.with_name(f".{path.name}")
        try:
            staged.write_text(text, encoding="utf-8")
            staged.replace(path)
        except OSError as error:
            self._complain(path, error)

    def _complain(self, path: Path, error: OSError) -> None:
        if not self.is_broken:
            self._say(Warned(f"{path} cannot be written, training goes on without: {error.strerror}"))
        self.is_broken = True


def rows_before(folder: Path, progress: Progress) -> list[Row]:
    """What a run had written when it was where ``progress`` says; what it wrote after that it will write again."""
    rows = _read(folder / LINES)
    return [
        row
        for row in rows
        if row["step"] < progress.step
        or (row["step"] == progress.step > 0 and (is_of_training(row) or progress.evaluated == progress.position.epoch))
    ]


def is_of_training(row: Row) -> bool:
    return "pictures_per_second" in row


def _read(path: Path) -> list[Row]:
    """The last line may be half a line."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _as_csv(rows: list[Any], columns: list[str]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(rows)
    return text.getvalue()
