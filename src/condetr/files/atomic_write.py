"""Writing the files of one folder so that a reader never meets half of one."""

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from condetr.core.errors import StorageError

UNNAMED = ".unfinished"  # how a file ends that has no name yet


def write_files(folder: Path, writers: Mapping[str, Callable[[Path], None]], *, to_disk: bool = True) -> None:
    """Let each writer fill a temporary file, then give all of them their names at once.

    Args:
        folder: made if needed.
        writers: what fills each file, by its name.
        to_disk: wait until they would survive a power failure; else whoever calls does so, with `reach_disk`.

    Raises:
        StorageError: the folder cannot be made or written, or the disk is full. What was there before still is.
    """
    written: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, write in writers.items():
            handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=UNNAMED, dir=folder)
            os.close(handle)
            temporary = Path(path)
            written[temporary] = folder / name
            write(temporary)
            if to_disk:
                reach_disk(temporary)
        for temporary, final in written.items():
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(final)
        if to_disk and writers:
            reach_disk(folder)
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise StorageError(reason, source=folder, hint="check the path, its permissions and the free space") from error
    finally:
        for temporary in written:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """What a process that died inside `write_files` left; not while another one may be writing."""
    for path in folder.glob(f".*{UNNAMED}"):
        path.unlink(missing_ok=True)


def reach_disk(path: Path) -> None:
    """Wait until the file, or the names in the folder, would survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
