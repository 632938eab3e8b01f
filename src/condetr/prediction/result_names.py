"""A name for the results of every image: readable, short enough for any file system, and its own."""

import hashlib
import os
from pathlib import PurePath

from condetr.prediction.sources import ImageSource

_LONGEST = 180  # bytes, of 255 that a file system allows: endings and temporary names come on top


class OutputNames:
    """Files results under where their image lay, without its extension."""

    def __init__(self, taken: dict[str, str] | None = None) -> None:
        """Go on from the names that the images of an earlier run have, by their source."""
        self._by_source = dict(taken or {})
        self._owners = {_folded(name): source for source, name in self._by_source.items()}

    def name_for(self, source: ImageSource) -> str:
        """The same image always gets the same name, no two get one name, on any file system."""
        if source.name in self._by_source:
            return self._by_source[source.name]
        *folders, file = source.place.parts or (source.name,)
        stem = _shortened(PurePath(file).stem)
        name = os.path.join(*folders, stem)  # noqa: PTH118  a Path would not keep every name as it is
        if len(os.fsencode(name)) > 8 * _LONGEST:
            name = stem
        if self._owners.setdefault(_folded(name), source.name) != source.name:
            name = f"{name}-{_hash_of(source.name)}"
            self._owners[_folded(name)] = source.name
        self._by_source[source.name] = name
        return name


def _folded(name: str) -> str:
    """Some file systems do not tell capitals from small letters."""
    return name.casefold()


def _shortened(stem: str) -> str:
    encoded = os.fsencode(stem)
    if len(encoded) <= _LONGEST:
        return stem
    kept = encoded[: _LONGEST - 9].decode("utf-8", "ignore")
    return f"{kept}-{_hash_of(stem)}"


def _hash_of(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]
