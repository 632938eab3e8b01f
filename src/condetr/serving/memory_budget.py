"""How many bytes of requests are in memory, over all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from condetr.serving.protocol.http_errors import Refused


class Memory:
    """A common purse: whoever asks for more than is left is sent away."""

    def __init__(self, most: int) -> None:
        self._most, self.taken = most, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes bytes; they are given back at the end.

        Raises:
            Refused: the function, where nothing is left.
        """
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if self.taken + count > self._most:
                raise Refused(503, "busy", "too many requests are being read", retry_after=1, unread=True)
            mine += count
            self.taken += count

        try:
            yield take
        finally:
            self.taken -= mine
