"""The images that a run still has to predict, in step with their results."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from condetr.images.detections import Detections
from condetr.prediction.input.listing import Listing
from condetr.prediction.predictor import Failure
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sources import ImageSource


class UnfinishedImages:
    """The images of a listing that an earlier run has not finished.

    ``total`` is how many they are, None where they have not all been listed yet.
    """

    def __init__(self, listing: Listing, writer: ResultWriter | None) -> None:
        self._listing, self._writer = listing, writer
        self._in_hand: deque[ImageSource] = deque()
        self._passed_over = 0
        ours = None if listing.all_ours is None else [self._is_done(image) for image in listing.all_ours]
        self._known_before = None if ours is None else sum(ours)
        self.total = None if ours is None else len(ours) - sum(ours)

    @property
    def done_before(self) -> int:
        """How many images an earlier run finished; of those that were listed so far, where they are many."""
        return self._passed_over if self._known_before is None else self._known_before

    def __iter__(self) -> Iterator[ImageSource]:
        for image in self._listing:
            if self._is_done(image):
                self._passed_over += 1
            else:
                self._in_hand.append(image)
                yield image

    def with_results(
        self, results: Iterator[Detections | Failure]
    ) -> Generator[tuple[ImageSource, Detections | Failure], None, None]:
        """Each result with its image."""
        with closed(results):
            for result in results:
                yield self._in_hand.popleft(), result

    def _is_done(self, image: "ImageSource") -> bool:
        return self._writer is not None and self._writer.is_done(image)


@contextmanager
def closed(work: object) -> Iterator[None]:
    """What is in hand is finished also where the work ends early."""
    try:
        yield
    finally:
        if isinstance(work, Generator):
            work.close()
