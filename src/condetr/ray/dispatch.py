"""Blocks of images to the actors and their results back: in order, each once, whatever process dies meanwhile."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from condetr.core.errors import ImageError, ModelError, first_line_of
from condetr.prediction.sources import ImageSource
from condetr.ray.cluster import LOGS
from condetr.ray.worker import Found, Record

RETRIES = 2  # of a block, or of a single image, after the death of a process
_MOST_DONE = 256  # blocks whose results wait for those of an earlier block
_MOST_DEATHS = 3  # images in a row that end every process: then it is not the images
_logger = logging.getLogger(__name__)

Send: TypeAlias = Callable[[int, Sequence[ImageSource]], "Future[Found]"]


class _DiedError(Exception):
    """The process, its node, or what it made is gone, more often than Ray repeats it."""


@dataclass(eq=False, slots=True)
class _Block:
    sources: Sequence[ImageSource]
    actor: int
    future: "Future[Found]"


class Dispatcher:
    """Keeps actors busy with a bounded number of blocks.

    A block is repeated by Ray when a process dies. One that keeps dying is predicted image by image, and an image that
    ends every process becomes an error, so that it cannot end a run.
    """

    def __init__(self, failures: Any, send: Send, *, actors: int, block: int, ahead: int) -> None:
        """Prepare a run.

        Args:
            failures: the module ``ray.exceptions``.
            send: gives a block to the actor of this number.
            actors: their number.
            block: images of a block.
            ahead: blocks that are decoded or predicted at once.
        """
        self._failures, self._send = failures, send
        self._actors, self._block, self._ahead = range(actors), block, ahead
        self._blocks = deque[_Block]()  # in the order of their images; the results of some wait for those before
        self._deaths = 0

    def results(self, images: Iterable[ImageSource]) -> Generator[tuple[ImageSource, Record], None, None]:
        """Each image with its result.

        Raises:
            ModelError: processes die whatever they are given.
            CondetrError: the network cannot go on.
        """
        rest = iter(images)
        while True:
            while len(self._running) < self._ahead and len(self._blocks) < self._ahead + _MOST_DONE:
                sources = list(islice(rest, self._block))
                if not sources:
                    break
                self._blocks.append(self._sent(sources))
            if not self._blocks:
                return
            if not self._blocks[0].future.done():
                wait([block.future for block in self._running], return_when=FIRST_COMPLETED)
            while self._blocks and self._blocks[0].future.done():
                block = self._blocks.popleft()
                yield from zip(block.sources, self._records_of(block), strict=True)

    @property
    def _running(self) -> list[_Block]:
        return [block for block in self._blocks if not block.future.done()]

    def _sent(self, sources: Sequence[ImageSource]) -> _Block:
        """To the actor that has least to do."""
        busy = Counter(block.actor for block in self._running)
        actor = min(self._actors, key=lambda number: busy[number])
        return _Block(sources, actor, self._send(actor, sources))

    def _records_of(self, block: _Block) -> list[Record]:
        try:
            return self._found(block)
        except _DiedError:
            return [self._alone(source) for source in block.sources]

    def _alone(self, source: ImageSource) -> Record:
        try:
            return self._found(self._sent([source]))[0]
        except _DiedError as error:
            self._deaths += 1
            if self._deaths >= _MOST_DEATHS:
                hint = f"is there memory for that many actors? {LOGS}"
                raise ModelError(f"the processes of Ray keep dying: {error}", source=source.name, hint=hint) from error
            reason = f"the process that predicted it died {RETRIES + 1} times: {error}"
            return ImageError(reason, source=source.name)

    def _found(self, block: _Block) -> list[Record]:
        """Raises _DiedError, or the error that the code in the process raised."""
        try:
            found = block.future.result()
        except self._failures.RayTaskError as error:
            if isinstance(error.cause, self._failures.RayError):  # of the process that decoded
                raise _DiedError(_first_sentence(error.cause)) from error
            raise error.cause from None
        except self._failures.RayError as error:
            raise _DiedError(_first_sentence(error)) from error
        for warning in found.warnings:
            _logger.warning("%s", warning)
        self._deaths = 0
        return found.records


def _first_sentence(error: Exception) -> str:
    """Ray's messages go on with lines of addresses and advice."""
    return first_line_of(error).partition(". ")[0].rstrip(".")
