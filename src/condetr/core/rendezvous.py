"""How the processes of a distributed run find each other, also after a launcher restarted some or all of them."""

import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from itertools import count as counting
from typing import Any, NamedTuple

from torch import distributed
from torch.distributed import PrefixStore, Store, rendezvous  # type: ignore[attr-defined]  # public, by its docs

from condetr.core.errors import UsageError, first_line_of

MEETING_TIME = timedelta(minutes=10)  # until the last process has started
_POLLING = 0.02  # seconds
_PARTS = counting()


class Meeting(NamedTuple):
    """``store`` is shared by these ``processes``, and by none that had their places before a restart."""

    store: Store
    rank: int
    processes: int


@cache
def meet() -> Meeting:
    """Meet the other processes that the launcher started; each calls it before anything else that they do together.

    Raises:
        UsageError: they cannot be reached, or do not come.
    """
    try:
        store, rank, count = next(rendezvous("env://"))
        key = agree_on_key(store, rank, count)
    except (RuntimeError, ValueError) as error:
        raise error if isinstance(error, UsageError) else cannot_connect(error) from error
    return Meeting(PrefixStore(key, store), rank, count)


def own_part() -> Meeting:
    """With a part of the store that nothing else uses; all processes ask for their parts in the same order.

    Raises:
        UsageError: the other processes cannot be reached.
    """
    meeting = meet()
    return meeting._replace(store=PrefixStore(str(next(_PARTS)), meeting.store))


def join_group(backend: str, timeout: timedelta) -> None:
    """The process group of torch.distributed; nothing where there is one.

    Raises:
        UsageError: the other processes cannot be reached.
    """
    if distributed.is_initialized():
        return
    meeting = own_part()
    try:
        distributed.init_process_group(
            backend, store=meeting.store, rank=meeting.rank, world_size=meeting.processes, timeout=timeout
        )
    except (RuntimeError, ValueError) as error:
        raise cannot_connect(error) from error


def cannot_connect(error: BaseException) -> UsageError:
    hint = "is another run using this port? give torchrun --rdzv-endpoint, or accelerate launch --main_process_port"
    return UsageError(f"the processes cannot connect to each other: {first_line_of(error)}", hint=hint)


def agree_on_key(store: Store, rank: int, count: int, *, timeout: timedelta = MEETING_TIME) -> str:
    """A random word that the first process gives to the others.

    Launchers keep their store when they restart processes, with all that these have left in it. So each process sends
    the first a random word of its own, which the answer repeats: what is older is not for it.
    """
    own = secrets.token_hex(8)
    if rank == 0:
        waiting = set(range(1, count))

        def all_have_it() -> bool:
            for other in sorted(waiting):
                if _value(store, f"confirmed/{other}") == own:
                    waiting.discard(other)
                elif word := _value(store, f"word/{other}"):
                    store.set(f"answer/{other}", f"{word} {own}")
            return not waiting

        _wait_for(all_have_it, timeout, lambda: f"process {', '.join(map(str, sorted(waiting)))} did not start")
        return own
    store.set(f"word/{rank}", own)
    answer = ["", ""]

    def is_answered() -> bool:
        answer[:] = _value(store, f"answer/{rank}").split() or answer
        return answer[0] == own

    _wait_for(is_answered, timeout, lambda: "the first process did not start")
    store.set(f"confirmed/{rank}", answer[1])
    return answer[1]


def _value(store: Any, key: str) -> str:
    """Empty where the key is not set."""
    return bytes(store.get(key)).decode() if store.check([key]) else ""


def _wait_for(holds: Callable[[], bool], timeout: timedelta, problem: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout.total_seconds()
    while not holds():
        if time.monotonic() > deadline:
            reason = f"{problem()} within {timeout.total_seconds():g} s"
            raise UsageError(reason, hint="see its output, or that of its launcher")
        time.sleep(_POLLING)
