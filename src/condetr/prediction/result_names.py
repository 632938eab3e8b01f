"""Names for the results of images: readable, unique, and short enough for any file system."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import PurePath

from condetr.prediction.sources import ImageSource

_LONGEST = 180  # bytes, of 255 in file systems: extensions and temporary names need the rest


class OutputNames:
    """Names results by the relative path of their image, without its extension."""

    def __init__(self, taken: Mapping[str, str] | None = None) -> None:
        """Start with the names of an earlier run, by image source."""
        self._taken = dict(taken or {})
        self._owners = {_key(folded(name)): _key(source) for source, name in self._taken.items()}

    def name_for(self, source: ImageSource) -> str:
        """The same name for the same image, and different names for different images, on any file system."""
        if source.name in self._taken:
            return self._taken[source.name]
        name, owner = base_name_of(source), _key(source.name)
        if self._owners.setdefault(_key(folded(name)), owner) != owner:
            name = f"{name}-{_hash_of(source.name)}"
            self._owners[_key(folded(name))] = owner
        return name


def base_name_of(source: ImageSource) -> str:
    """The name of its results, unless those of another image have it."""
    *folders, file = source.relative_path.parts or (source.name,)
    stem = _shortened(PurePath(file).stem)
    name = os.path.join(*folders, stem)  # noqa: PTH118  a Path would change some names
    return stem if len(os.fsencode(name)) > 8 * _LONGEST else name


def folded(name: str) -> str:
    """Some file systems ignore case."""
    return name.casefold()


def _key(text: str) -> bytes:
    """Stands for a text where millions of them are kept."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _shortened(stem: str) -> str:
    encoded = os.fsencode(stem)
    if len(encoded) <= _LONGEST:
        return stem
    start = encoded[: _LONGEST - 9].decode("utf-8", "ignore")
    return f"{start}-{_hash_of(stem)}"


def _hash_of(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]
