"""The folders of all shards of a run become the folder that one run would have written.

Files are linked, not copied, where the file system allows it, and the folders of the shards stay. A merge that is
interrupted is begun again.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from condetr.core.errors import StorageError, UsageError
from condetr.core.names import ResultFormat
from condetr.files.atomic_write import UNNAMED, write_files, write_json, writing_to
from condetr.files.folder_lock import LOCK, Lock
from condetr.prediction.results_folder import CROPS, ERRORS, PER_IMAGE, PREDICTIONS, RUN, SHARDS, clear, read_run
from condetr.prediction.results_writing import write_result_tables
from condetr.prediction.sharding.record import POSITION, ShardRecord, read_shard_record
from condetr.prediction.sharding.shard import Shard

_FOLDER = re.compile(r"([1-9][0-9]*)-of-([1-9][0-9]*)")
_POSITION = re.compile(rf', "{POSITION}": ([0-9]+)\}}\n\Z')
_OF_A_SHARD = ("device", "state", "counts")  # entries of run.json that shards may not share
_RESUME = "run it to its end with --resume"


def folder_of(output: Path, shard: Shard) -> Path:
    """The folder for the results of a shard.

    Raises:
        UsageError: the output has the results of a run without shards, or with another number of shards.
    """
    others = {shard.count: shard, **_shards_in(output)}
    if (output / RUN).exists() and not (output / SHARDS).is_dir():
        raise UsageError("has the results of a run without shards", source=output, hint="give another --output")
    other = next((count for count in others if count != shard.count), None)
    if other is not None:
        reason = f"is {shard}, but the folder has shards of {other}"
        raise UsageError(reason, source=output, item="shard", hint=f"give --shard NUMBER/{other}, or another --output")
    return output / SHARDS / f"{shard.number}-of-{shard.count}"


def _shards_in(output: Path) -> dict[int, list[int]]:
    """The numbers of the shards with a folder, by their count."""
    found: dict[int, list[int]] = {}
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in (output / SHARDS).iterdir():
            if match := _FOLDER.fullmatch(entry.name):
                found.setdefault(int(match[2]), []).append(int(match[1]))
    return found


@dataclass(frozen=True)
class _Part:
    folder: Path
    run: Mapping[str, Any]
    record: ShardRecord


def merge(output: Path, default_formats: Sequence[ResultFormat]) -> dict[str, int]:
    """Write the results of all shards to ``output`` as one run would have done.

    Args:
        output: the folder that the shards have in common.
        default_formats: what a run writes that names no formats.

    Returns:
        How many images are ok, failed, and not painted.

    Raises:
        UsageError: a shard is missing, not complete, being written, or differs in its settings or images.
        StorageError: the results cannot be read or written.
    """
    folders = _all_folders(output)
    with ExitStack() as stack:
        for folder in (output, *folders):
            stack.callback(Lock(folder, "working").release, remove=True)
        parts = [_Part(folder, read_run(folder / RUN), read_shard_record(folder)) for folder in folders]
        _check_complete(parts)
        _check_same(parts)
        return _merged(output, parts, default_formats)


def _all_folders(output: Path) -> list[Path]:
    found = _shards_in(output)
    if not found:
        raise UsageError("has no shards to merge", source=output, hint="condetr predict --shard writes them")
    if len(found) > 1:
        counts = " and of ".join(str(count) for count in sorted(found))
        raise UsageError(f"has shards of {counts}", source=output / SHARDS, hint="remove those of one")
    ((count, numbers),) = found.items()
    missing = [f"{number}/{count}" for number in range(1, count + 1) if number not in numbers]
    if missing:
        raise UsageError(f"the results of these shards are missing: {_few(missing)}", source=output / SHARDS)
    return [output / SHARDS / f"{number}-of-{count}" for number in range(1, count + 1)]


def _check_complete(parts: Sequence[_Part]) -> None:
    unfinished = [str(part.record.shard) for part in parts if part.run.get("state") != "complete"]
    unfinished += [str(part.record.shard) for part in parts if part.record.listing is None]
    if unfinished:
        names = _few(list(dict.fromkeys(unfinished)))
        raise UsageError(f"these shards are not complete: {names}", source=parts[0].folder.parent, hint=_RESUME)


def _check_same(parts: Sequence[_Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        for name in dict.fromkeys((*first.run, *part.run)):
            here, there = part.run.get(name), first.run.get(name)
            if name not in _OF_A_SHARD and here != there:
                reason = f"is {here!r}, but {there!r} in shard {first.record.shard}"
                raise UsageError(reason, source=part.folder, item=name, hint="run it again with --overwrite")
        if part.record.classes != first.record.classes:
            reason = f"has a model with other classes than shard {first.record.shard}"
            raise UsageError(reason, source=part.folder, hint="run it again with --overwrite")
        if part.record.listing != first.record.listing:
            reason = f"listed other images than shard {first.record.shard}: the sources changed, or differ"
            raise UsageError(reason, source=part.folder, hint="run all shards again with --resume")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _merged(output: Path, parts: Sequence[_Part], default_formats: Sequence[ResultFormat]) -> dict[str, int]:
    settings = {name: value for name, value in parts[0].run.items() if name not in ("state", "counts")}
    if "device" in settings:
        settings["device"] = ", ".join(dict.fromkeys(str(part.run["device"]) for part in parts))
    formats = cast("Sequence[ResultFormat]", settings.get("save") or default_formats)
    clear(output)
    write_files(output, {RUN: partial(write_json, settings | {"state": "running"})})
    for part in parts:
        for kind in (*PER_IMAGE, CROPS):
            _link_all(part.folder / kind, output / kind)
    lines = {PREDICTIONS: partial(_write_lines, [part.folder / PREDICTIONS for part in parts])}
    if any((part.folder / ERRORS).exists() for part in parts):
        lines[ERRORS] = partial(_write_lines, [part.folder / ERRORS for part in parts])
    write_files(output, lines)
    write_result_tables(output, formats, parts[0].record.classes)
    counts = _counts(parts)
    write_files(output, {RUN: partial(write_json, settings | {"state": "complete", "counts": counts})})
    return counts


def _counts(parts: Sequence[_Part]) -> dict[str, int]:
    """As of one run that was not interrupted."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.run["counts"])
    counts = {"ok": total["ok"] + total["before"], "failed": total["failed"], "before": 0}
    return counts | ({"not_painted": total["not_painted"]} if total["not_painted"] else {})


def _link_all(source: Path, target: Path) -> None:
    for folder, _, names in os.walk(source):
        below = target / os.path.relpath(folder, source)
        with writing_to(below):
            below.mkdir(parents=True, exist_ok=True)
            for name in names:
                if name != LOCK and not name.endswith(UNNAMED):
                    _link(Path(folder, name), below / name)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)  # of a merge that was interrupted
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _write_lines(journals: Sequence[Path], path: Path) -> None:
    """The lines of all journals in the order of the images in the listing, without their positions."""
    positions, offsets, owners = (np.concatenate(columns) for columns in zip(*_indexes(journals), strict=True))
    with ExitStack() as stack:
        files = [stack.enter_context(file.open("rb")) if file.exists() else None for file in journals]
        merged = stack.enter_context(path.open("wb"))
        for index in np.lexsort((offsets, owners, positions)):
            file = files[owners[index]]
            assert file is not None, "it has lines"
            file.seek(int(offsets[index]))
            line = file.readline().decode("ascii")
            merged.write((_POSITION.sub("", line) + "}\n").encode("ascii"))


def _indexes(journals: Iterable[Path]) -> Iterator[tuple[Any, Any, Any]]:
    """Position, offset and journal of each line, as columns."""
    for owner, journal in enumerate(journals):
        positions, offsets, offset = [], [], 0
        if journal.exists():
            with journal.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    match = _POSITION.search(line.decode("ascii", "replace"))
                    if match is None:
                        raise StorageError("is not a result of a shard", source=journal, item=f"line {number}")
                    positions.append(int(match[1]))
                    offsets.append(offset)
                    offset += len(line)
        yield np.array(positions, np.int64), np.array(offsets, np.int64), np.full(len(offsets), owner, np.int32)
