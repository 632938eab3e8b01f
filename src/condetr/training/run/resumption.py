"""Whether a run is resumed, and its files on every machine that trains, with or without a shared disk."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from condetr.core.errors import StorageError
from condetr.core.launcher import local_rank, process_count, restart_count

CHUNK = 16 * 2**20  # bytes of a file in one message
_STEP, _COPIED = "step/{}", "copied/{}"
_BESIDE = ("config.yaml", "labels.json", "metrics.jsonl", "metrics.csv", "last/*", "best/*")
_FINISHED = b"finished"


def is_resumed(output: Path | None, resume: bool | Literal["auto"]) -> bool:  # noqa: FBT001  as in the settings
    """Whether to continue the run in ``output``.

    With "auto", and after a launcher restarted processes: where there is something to continue from. In a distributed
    run every process asks, and first gets the files of the run where its machine does not have them.

    Raises:
        UsageError: the other processes cannot be reached.
        StorageError: a file of the run cannot be copied.
    """
    if output is None:
        return resume is True
    restarted = process_count() > 1 and _restarted(output.absolute(), may_resume=resume is not False)
    return resume is True or ((resume == "auto" or restarted) and any(output.glob("checkpoints/step-*")))


@cache  # the folder is filled by the run itself later on
def _restarted(output: Path, *, may_resume: bool) -> bool:
    """Whether any of the processes was; a launcher only counts restarts of its own machine."""
    from condetr.core.rendezvous import own_part

    store, rank, count = own_part()
    store.set(f"restarts/{rank}", str(restart_count()))
    restarted = any(int(store.get(f"restarts/{other}")) for other in range(count))
    if may_resume or restarted:
        copy_to_all(store, output, rank, count, leader=rank - local_rank())
    return restarted


def copy_to_all(store: Any, output: Path, rank: int, count: int, *, leader: int) -> None:
    """Give all machines the newest checkpoint of any, and what belongs to it; nothing is copied on a shared disk.

    Args:
        store: of torch.distributed, shared by ``count`` processes; ``get`` waits until another one has set the key.
        output: the run folder of this machine.
        rank: of this process.
        count: of the processes.
        leader: the first process of this machine, which writes for all of them.

    Raises:
        StorageError: a file cannot be read or written, here or on another machine.
    """
    from condetr.training.run.resume import newest_complete

    newest = None
    if rank == leader:
        newest, _ = newest_complete(output / "checkpoints")
        store.set(_STEP.format(rank), str(_step_of(newest)))
    else:
        store.set(_STEP.format(rank), store.get(_STEP.format(leader)))
    steps = [int(store.get(_STEP.format(other))) for other in range(count)]
    behind = [other for other, step in enumerate(steps) if step < max(steps)]
    if not behind:
        return
    problems = [_FINISHED]
    if rank == steps.index(max(steps)) and newest is not None:
        keys = list(_send(store, output, newest))
        problems = [store.get(_COPIED.format(other)) for other in behind]
        for key in keys:
            store.delete_key(key)
    elif rank in behind:
        result = _result_of(lambda: _receive(store, output)) if rank == leader else store.get(_COPIED.format(leader))
        store.set(_COPIED.format(rank), result)
        problems = [result]
    failed = [problem.decode() for problem in problems if problem != _FINISHED]
    if failed:
        hint = "check the free space of that machine, or use a shared disk"
        raise StorageError(f"the run cannot be copied: {failed[0]}", source=output, hint=hint)


def _step_of(checkpoint: Path | None) -> int:
    return -1 if checkpoint is None else int(checkpoint.name.removeprefix("step-"))


def _send(store: Any, output: Path, checkpoint: Path) -> Iterator[str]:
    """The keys of the messages. The checkpoint comes last: what has one has the rest."""
    paths = [path for pattern in _BESIDE for path in sorted(output.glob(pattern)) if path.is_file()]
    paths += sorted(checkpoint.iterdir())
    number = 0
    for path in paths:
        with path.open("rb") as file:
            while True:
                content = file.read(CHUNK)
                name = path.relative_to(output).as_posix().encode()
                store.set(key := f"file/{number}", name + b"\0" + content)
                yield key
                number += 1
                if len(content) < CHUNK:
                    break
    store.set(key := f"file/{number}", b"")
    yield key


def _receive(store: Any, output: Path) -> None:
    """Write the files; the checkpoint has a temporary name until it is complete."""
    from condetr.training.run.checkpointing import STAGED

    staged: dict[Path, Path] = {}
    number, written = 0, Path()
    while message := store.get(f"file/{number}"):
        name, _, content = message.partition(b"\0")
        path = output / name.decode()
        if path.parent.name.startswith("step-"):
            staged[path.parent] = path.parent.with_name(f"{STAGED}{path.parent.name}")
            path = staged[path.parent] / path.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab" if path == written else "wb") as file:
            file.write(content)
        number, written = number + 1, path
    for final, folder in staged.items():
        if final.exists():  # damaged, or it would be the newest complete one
            shutil.rmtree(final)
        folder.rename(final)


def _result_of(copy: Callable[[], None]) -> bytes:
    try:
        copy()
    except OSError as error:
        return f"{error.filename or 'a file'}: {error.strerror or error}".encode()
    return _FINISHED
