"""The images of a run, listed while the first of them are predicted."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from condetr.core.errors import MissingExtraError, UsageError
from condetr.prediction.results_folder import check_apart
from condetr.prediction.sharding.shard import Shard
from condetr.prediction.sources import ImageSource, folder_with, images_in, is_folder

FIRST = 10_000  # images that are listed before the run begins


class Listing:
    """Every image once, in order, without those of other shards; to be iterated once.

    Attributes:
        first: the images that were listed before the run began, also those of other shards.
        all_ours: the images that the iteration yields, where ``first`` has all images; else None.
        repeated: images that were named again, so far.
        listed: images of all shards, so far.
    """

    def __init__(self, sources: Sequence[str], *, apart_from: Path | None = None, shard: Shard | None = None) -> None:
        """List the first images, all of them where there are few.

        Args:
            sources: files, folders, patterns, lists.
            apart_from: a folder that is skipped: the one that results are written to.
            shard: the images to yield; by default all.

        Raises:
            UsageError: a source does not exist; later, while iterating: an image is in the folder ``apart_from``.
            MissingExtraError: what a source needs is not installed.
        """
        self._shard = shard
        self.repeated = self.listed = 0
        self._digest = hashlib.sha256()
        self._apart_from = apart_from
        self._folders: set[str] = set()
        self._seen: set[bytes] | None = None if len(sources) == 1 and is_folder(sources[0]) else set()
        rest = self._each_once(images_in(sources, apart_from=apart_from))
        self.first = list(islice(rest, FIRST))
        after = list(islice(rest, 1))
        if after and len(sources) > 1:
            for source in sources:
                for image in islice(images_in(source, apart_from=apart_from), 1):
                    _check_exists(image)
        self._rest: Iterator[ImageSource] = chain(self.first, after, rest)
        self.all_ours = None if after else [image for image in self.first if self._is_ours(image)]

    def __iter__(self) -> Iterator[ImageSource]:
        for image in self._rest:
            position = self.listed
            self.listed += 1
            self._digest.update(image.name.encode("utf-8", "surrogatepass") + b"\0")
            if self._is_ours(image):
                yield image if self._shard is None else replace(image, position=position)

    @property
    def digest(self) -> str:
        """Equal for listings of the same names in the same order, so far."""
        return self._digest.hexdigest()

    def _is_ours(self, image: ImageSource) -> bool:
        return self._shard is None or self._shard.has(image)

    def _each_once(self, images: Iterator[ImageSource]) -> Iterator[ImageSource]:
        for number, image in enumerate(images):
            if number < FIRST:
                _check_exists(image)
            if self._seen is not None:
                key = hashlib.blake2b(image.identity.encode("utf-8", "surrogatepass"), digest_size=16).digest()
                if key in self._seen:
                    self.repeated += 1
                    continue
                self._seen.add(key)
                if number >= FIRST:
                    self._check_apart(folder_with(image.name))
            yield image

    def _check_apart(self, folder: str) -> None:
        if self._apart_from is not None and folder not in self._folders:
            check_apart(self._apart_from, [folder])
            self._folders.add(folder)


def _check_exists(image: ImageSource) -> None:
    if isinstance(image.content, UsageError | MissingExtraError):
        raise image.content
