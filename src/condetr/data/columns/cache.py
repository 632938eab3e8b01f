"""What reading and checking a dataset gave, kept on the disk until any of its files changes.

A folder for each dataset and way to read it, and in it one for a state of its files: a file of columns for every
split, and a manifest with all else. It is written under another name and then renamed, so that it is whole or absent.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from condetr.data.checks.data_report import DataReport
from condetr.data.classes import Classes
from condetr.data.columns.building import columns_of
from condetr.data.columns.column_file import ColumnFile, DamagedError
from condetr.data.columns.examples import mapped
from condetr.data.columns.folder_state import Watched, state_of
from condetr.data.records import Dataset
from condetr.data.unpacked_images import folder_of_cache

FORMAT = 2  # of the files
VARIABLE = "CONDETR_DATA_CACHE"  # "off", or the folder of all caches
MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Checked:
    """A dataset that was read and checked.

    Attributes:
        splits: as far as they can be read.
        report: of reading.
        checks: of objects, names and pixels.
    """

    splits: Mapping[str, Dataset]
    report: DataReport
    checks: DataReport


def folder_of_data_cache() -> Path | None:
    """Where datasets are kept; None where that is turned off."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == "off":
        return None
    return Path(chosen).absolute() if chosen else folder_of_cache() / "data"


class DataCache:
    """The cache of one dataset, read in one way.

    Attributes:
        folder: its own; what is for one state of the files is in a folder there.
        damaged: the folders that could not be used, of the last `find`.
    """

    def __init__(self, top: Path, data: Path, options: Mapping[str, bool]) -> None:
        """``data`` read with ``options``; ``top`` is the folder of all caches."""
        self._key = {"data": str(data), "options": dict(options)}
        digest = hashlib.sha256(json.dumps(self._key, sort_keys=True).encode()).hexdigest()[:16]
        name = re.sub(r"[^\w.-]+|^\.+", "-", data.name, flags=re.ASCII)[:40] or "data"
        self.folder = top / f"{name}-{digest}"
        self.damaged: list[Path] = []

    def find(self) -> Checked | None:
        """What was kept, if no file has changed since, and this version of condetr wrote it."""
        self.damaged = []
        for folder in self._kept():
            try:
                content = _manifest_of(folder)
                if {name: content.get(name) for name in _written_by()} != _written_by():
                    continue
                watched = Watched(*(tuple(map(Path, content[name])) for name in ("trees", "folders")))
                if state_of(watched) == content["state"]:
                    return _opened(folder, content)
            except FileNotFoundError:
                continue  # another process replaced it
            except (DamagedError, OSError, ValueError, LookupError, TypeError, AttributeError):
                self.damaged.append(folder)
        return None

    def write(self, checked: Checked, watched: Watched, state: str) -> Checked:
        """Keep it, and return it as it is read from there; what was kept for other states is removed, unless in use.

        Args:
            checked: what to keep.
            watched: all files that it depends on.
            state: of these.

        Raises:
            InexactError: it does not come back from columns as it is.
            OSError: it cannot be written.
        """
        _remove(self.folder.glob(f"{_UNFINISHED}*"))  # of killed processes
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))
        try:
            rows = []
            for number, (name, dataset) in enumerate(checked.splits.items()):
                file = ColumnFile(unfinished / f"{number}.columns")
                file.write(columns_of(dataset.examples).arrays)
                rows.append(_row_of(name, dataset, file.path.name))
            content = _written_by() | self._key | {"state": state, "splits": rows}
            content |= {"trees": list(map(str, watched.trees)), "folders": list(map(str, watched.folders))}
            content |= {"report": checked.report.to_rows(), "checks": checked.checks.to_rows()}
            text = json.dumps(content, indent=1)
            (unfinished / MANIFEST).write_text(f"{_sum_of(text)}\n{text}", encoding="ascii")
            folder = self.folder / hashlib.sha256((state + repr(_written_by())).encode()).hexdigest()[:16]
            if folder.exists():  # a damaged one, which a process may still use
                folder.rename(unfinished.with_name(f"{unfinished.name}-old"))
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _remove(other for other in self._kept() if other != folder)
        _remove(self.folder.glob(f"{_UNFINISHED}*"))
        return _opened(folder, content)

    def _kept(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        except OSError:
            return []


def _remove(folders: Iterable[Path]) -> None:
    """Remove those that no process uses."""
    for folder in folders:
        if not any(ColumnFile(path).is_used() for path in folder.glob("*.columns")):
            shutil.rmtree(folder, ignore_errors=True)


def _written_by() -> dict[str, Any]:
    """The format, and the code that read the labels: another version may read them in another way."""
    return {"format": FORMAT, "condetr": version("condetr"), "code": _state_of_code(Path(__file__).parents[2])}


def _state_of_code(package: Path) -> str:
    rows = []
    for path in sorted((*package.glob("data/**/*.py"), *package.glob("images/**/*.py"))):
        with suppress(OSError):
            status = path.stat()
            rows.append((path.name, status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def _row_of(name: str, dataset: Dataset, file: str) -> dict[str, Any]:
    return {
        "name": name,
        "file": file,
        "root": str(dataset.root),
        "classes": dataset.classes.to_dict(),
        "split": dataset.split,
        "report": dataset.report.to_rows(),
    }


def _manifest_of(folder: Path) -> dict[str, Any]:
    expected, _, text = (folder / MANIFEST).read_text(encoding="ascii").partition("\n")
    if _sum_of(text) != expected:
        raise DamagedError(f"{folder / MANIFEST} is damaged")
    content: dict[str, Any] = json.loads(text)
    return content


def _sum_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _opened(folder: Path, content: Mapping[str, Any]) -> Checked:
    splits = {}
    for row in content["splits"]:
        file = ColumnFile(folder / row["file"])
        file.check()
        report = DataReport.from_rows(row["report"])
        classes = Classes.from_dict(row["classes"])
        splits[row["name"]] = Dataset(mapped(file), classes, Path(row["root"]), row["split"], report)
    return Checked(splits, DataReport.from_rows(content["report"]), DataReport.from_rows(content["checks"]))


def as_columns(checked: Checked) -> Checked:
    """The same in columns that are not kept.

    Raises:
        InexactError: it does not come back from them as it is.
    """
    splits = {name: replace(dataset, examples=columns_of(dataset.examples)) for name, dataset in checked.splits.items()}
    return replace(checked, splits=splits)
