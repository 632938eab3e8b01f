"""Work on a stream in threads: results in the order of the items, a bounded number of items ahead."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    ahead: int,
    name: str,
    begin: Callable[[], None] = lambda: None,
) -> Generator[Result, None, None]:
    """``function`` of each item; an exception is raised in the place of its result.

    Args:
        function: called in several threads at once.
        items: taken in the thread of the caller, at most ``ahead`` before the result that is yielded.
        threads: how many there are.
        ahead: how many items are in work or finished while the caller uses a result.
        name: of the threads.
        begin: called once in every thread.
    """
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name, initializer=begin) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
