"""Writing files so that no reader ever sees a part of one."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condetr.core.errors import StorageError

if TYPE_CHECKING:
    from torch import Tensor

UNNAMED = ".unfinished"  # the end of a file's name until it is complete


def write_files(folder: Path, writers: Mapping[str, Callable[[Path], None]], *, to_disk: bool = True) -> None:
    """Call each writer with a temporary path, then rename all the files at once.

    Args:
        folder: made if needed.
        writers: the function that writes each file, by the file's name.
        to_disk: wait until the files would survive a power failure; else the caller does so, with `reach_disk`.

    Raises:
        StorageError: the folder cannot be made or written, or the disk is full. Files that were there before stay.
    """

    def write(paths: Mapping[str, Path]) -> None:
        for name, path in paths.items():
            writers[name](path)

    write_together(folder, list(writers), write, to_disk=to_disk)


def write_together(
    folder: Path, names: Sequence[str], write: Callable[[Mapping[str, Path]], None], *, to_disk: bool = True
) -> None:
    """The same for one function that writes all the files: it gets their temporary paths, by name."""
    written: dict[str, Path] = {}
    try:
        with writing_to(folder, hint="check the path, its permissions and the free space"):
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=UNNAMED, dir=folder)
                os.close(handle)
                written[name] = Path(path)
            write(written)
            for temporary in written.values() if to_disk else ():
                reach_disk(temporary)
            for name, temporary in written.items():
                temporary.chmod(0o666 & ~_umask())
                temporary.replace(folder / name)
            if to_disk and written:
                reach_disk(folder)
    finally:
        for temporary in written.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def write_json(content: Mapping[str, Any], path: Path, *, sort_keys: bool = False) -> None:
    write_text(json.dumps(content, indent=2, sort_keys=sort_keys) + "\n", path)


def write_tensors(tensors: "dict[str, Tensor]", path: Path) -> None:
    """Write contiguous CPU tensors as safetensors.

    Raises:
        OSError: they cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:  # wraps the message of the system
        raise OSError(str(error)) from None


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that died inside `write_files` left; not while another process may be writing."""
    for path in folder.glob(f".*{UNNAMED}"):
        path.unlink(missing_ok=True)


def reach_disk(path: Path) -> None:
    """Wait until the file, or the names in the folder, would survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing_to(path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Report an OSError inside as a StorageError of ``path``."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"cannot be written: {error.strerror or error}", source=path, hint=hint) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
