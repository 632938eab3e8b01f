"""The memory of all requests together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from condetr.serving.protocol.http_errors import Refused


class MemoryBudget:
    """Byte budget shared by all requests."""

    def __init__(self, limit: int) -> None:
        self._limit, self.used = limit, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes bytes from the budget; they are returned at the end.

        Raises:
            Refused: the function, if the budget would be exceeded.
        """
        share = 0

        def take(count: int) -> None:
            nonlocal share
            if self.used + count > self._limit:
                raise Refused(503, "busy", "too many requests are being read", retry_after=1, unread=True)
            share += count
            self.used += count

        try:
            yield take
        finally:
            self.used -= share
