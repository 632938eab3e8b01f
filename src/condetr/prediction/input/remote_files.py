"""Images at addresses of fsspec (https://filesystem-spec.readthedocs.io): object storage, other machines, memory.

Web pages (``http://`` and ``https://``) are not read: nothing there lists images, and an address in a list of unknown
origin would be fetched.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import PurePath, PurePosixPath
from typing import Any, NamedTuple

from condetr.core.errors import CondetrError, DataError, MissingExtraError, UsageError, first_line_of
from condetr.images.decoding.sources import MOST_BYTES, Readable
from condetr.images.file_endings import has_image_ending
from condetr.prediction.image_files import is_parquet
from condetr.prediction.input.parquet_rows import StoredRow, images_in_table

_REFUSED = ("http", "https", "ftp")
_MAGIC = "*?["
_HINT = "check the address, and your rights there"


class RemoteFile(Readable):
    """A file with the ``read`` of a binary stream; it is fetched when that is called, in any thread."""

    def __init__(self, system: Any, path: str, name: str) -> None:
        self.name, self._system, self._path = name, system, path

    @property
    def is_shared(self) -> bool:
        """Whether other processes can fetch it, too."""
        protocol = self._system.protocol
        return "memory" not in ((protocol,) if isinstance(protocol, str) else protocol)

    def read(self, size: int = -1) -> bytes:
        """The whole content, or its first bytes; raises OSError where it cannot be fetched."""
        try:
            return self._system.cat_file(self._path, end=size if size >= 0 else MOST_BYTES + 1)
        except OSError:
            raise
        except Exception as error:  # each storage has errors of its own
            raise OSError(first_line_of(error)) from error


class Found(NamedTuple):
    """An image, or what is wrong in its place: its address, where its results are filed, its content."""

    name: str
    relative_path: PurePath
    content: "RemoteFile | StoredRow | CondetrError"


def is_address(source: str) -> bool:
    """Whether this is an address of a file system that fsspec knows."""
    protocol, separator, _ = source.partition("://")
    if not separator or protocol.lower() in _REFUSED:
        return False
    from fsspec.registry import known_implementations, registry  # type: ignore[import-untyped]

    return all(part in known_implementations or part in registry for part in protocol.split("::"))


def images_at(address: str) -> Iterator[Found]:
    """The image at an address, all images below it in alphabetical order, or those that a pattern matches.

    Raises:
        UsageError: there is nothing, or the storage refuses to answer.
        MissingExtraError: the library for this storage is not installed.
    """
    system, path = _opened(address)
    protocol = address.partition("://")[0]

    def found(file: str, below: str) -> Found:
        name = system.unstrip_protocol(file) if protocol != "file" else f"file://{file}"
        relative = PurePosixPath(file).relative_to(below) if file.startswith(below) else PurePosixPath(file).name
        return Found(name, PurePath(relative), RemoteFile(system, file, name))

    try:
        if any(character in path for character in _MAGIC) and not system.exists(path):
            matches = sorted(str(file) for file in system.glob(path))
            below = path[: min(path.index(character) for character in _MAGIC if character in path)].rpartition("/")[0]
            tables = {file for file in matches if is_parquet(file)}
            images = (file for file in matches if file in tables or has_image_ending(file))
            return chain.from_iterable(
                _in_table(system, file, system.unstrip_protocol(file)) if file in tables else [found(file, below)]
                for file in images
            )
        if is_parquet(path) and system.isfile(path):
            return _in_table(system, path, address)
        if system.isfile(path):
            return iter([Found(address, PurePath(PurePosixPath(path).name), RemoteFile(system, path, address))])
        exists = system.exists(path)
    except Exception as error:  # each storage has errors of its own
        raise UsageError(f"cannot be read: {first_line_of(error)}", source=address, hint=_HINT) from error
    if not exists:
        raise UsageError("does not exist", source=address, hint="check the address")
    return (item if isinstance(item, Found) else found(item, path.rstrip("/")) for item in _below(system, path))


def _in_table(system: Any, path: str, name: str) -> Iterator[Found]:
    try:
        for row, relative_path, content in images_in_table(name, partial(system.open, path, "rb")):
            assert not isinstance(content, str), "only encoded images are read from storage"
            yield Found(row, relative_path, content)
    except (UsageError, MissingExtraError) as error:
        yield Found(name, PurePath(PurePosixPath(path).name), error)


def _opened(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    try:
        return url_to_fs(address)
    except ImportError as error:
        raise MissingExtraError(first_line_of(error).rstrip("."), "remote", address) from error
    except Exception as error:  # each storage has errors of its own
        raise UsageError(f"cannot be opened: {first_line_of(error)}", source=address) from error


def _below(system: Any, top: str) -> Iterator[str | Found]:
    """Paths of images, folder by folder; an error for each folder that cannot be listed; hidden ones are skipped."""
    pending = [(top, True)]
    while pending:
        path, is_folder = pending.pop()
        if not is_folder:
            if has_image_ending(path):
                yield path
            continue
        try:
            entries = system.ls(path, detail=True)
        except Exception as error:  # each storage has errors of its own
            name = system.unstrip_protocol(path)
            refused = DataError(f"cannot be read: {first_line_of(error)}", source=name, hint=_HINT)
            yield Found(name, PurePath(PurePosixPath(path).name), refused)
            continue
        named = sorted((entry["name"].rstrip("/"), entry["type"] == "directory") for entry in entries)
        visible = [(name, kind) for name, kind in named if not PurePosixPath(name).name.startswith(".")]
        pending += [entry for entry in reversed(visible) if entry[0] != path.rstrip("/")]  # some list the folder itself
