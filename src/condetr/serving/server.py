"""From a predictor to a process that listens, and that ends without losing what it accepted."""

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

import uvicorn

from condetr.prediction.predictor import Predictor
from condetr.serving.limits import Limits
from condetr.serving.metrics import Metrics
from condetr.serving.process.library_versions import check_pillow
from condetr.serving.process.signals import Signals, signals
from condetr.serving.process.sockets import within_open_files
from condetr.serving.process.uvicorn_server import quiet_server
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.connection import Connection
from condetr.serving.protocol.request_log import Log
from condetr.serving.protocol.routes import application
from condetr.serving.protocol.service_info import Offer
from condetr.serving.service import Service

_FOR_IMAGES, _FOR_ANSWERS = 0.9, 0.95  # of the time to drain: the rest is for saying no, and for closing


class End(Enum):
    """How a service ended."""

    DRAINED = "everything accepted was answered"
    CUT_SHORT = "some of it was sent away, for the time to drain was over or a second signal came"
    BROKEN = "the model or its device does not answer any more"


class Ended(NamedTuple):
    """How it ended, and whether a thread is stuck in the network, so that Python would wait for it for ever."""

    end: End
    stuck: bool


def serve(
    predictor: Predictor,
    listening: socket.socket,
    offer: Offer,
    limits: Limits,
    *,
    batch: int,
    log: Log,
    allowed_hosts: Sequence[str] = (),
    wakeup: int | None = None,
    on_state: Callable[[str], None] = lambda _: None,
) -> Ended:
    """Serve until SIGTERM or SIGINT, then drain; a second signal cuts that short.

    Args:
        predictor: with threshold 0, for every request has its own.
        listening: a bound socket; it is closed at the end.
        offer: what callers are told.
        limits: of everything.
        batch: the most images that the network sees at once.
        log: takes one entry a request.
        allowed_hosts: more names that may stand in the ``Host`` of a request; see ``Hosts``.
        wakeup: see ``signals``.
        on_state: hears when the service is ready, and when it begins to drain, for it is broken or was told to.

    Raises:
        CondetrError: the first image did not come out in finite numbers, or Pillow is too old.
    """
    check_pillow()

    async def run() -> Ended:
        metrics = Metrics()
        service = Service(predictor, limits, metrics, batch=batch, on_ready=lambda: on_state("ready"))
        hosts = Hosts(listening.getsockname()[0], allowed_hosts)
        app = application(service, offer, limits, metrics, log, hosts)
        connection = functools.partial(Connection, limits=within_open_files(limits))
        server = quiet_server(app, http=connection, patience=limits.write_seconds)
        asyncio.get_running_loop().set_exception_handler(functools.partial(_note_fault, log))
        with signals(wakeup) as received:
            return await _until_the_end(service, server, listening, received, on_state, limits.drain_seconds)

    return asyncio.run(run())


async def _until_the_end(
    service: Service,
    server: uvicorn.Server,
    listening: socket.socket,
    received: Signals,
    on_state: Callable[[str], None],
    seconds: float,
) -> Ended:
    clock = asyncio.get_running_loop().time
    listens = asyncio.create_task(server.serve(sockets=[listening]))
    works = asyncio.create_task(service.work())
    try:
        await _first_of(works, listens, received.first.wait())
        broke, failure = works.done(), works.exception() if works.done() else None
        began = clock()
        on_state("broken" if broke and failure is None else "draining")
        await _first_of(service.drain(_FOR_IMAGES * seconds), received.second.wait())
        sent_away = await service.send_away()
        server.should_exit = True
        await asyncio.wait({listens}, timeout=max(0.0, began + _FOR_ANSWERS * seconds - clock()))
        server.force_exit = True  # of those who do not take their answer
        await listens
    finally:
        listens.cancel()
        works.cancel()
    if failure is not None:
        raise failure
    end = End.BROKEN if broke else End.CUT_SHORT if sent_away else End.DRAINED
    return Ended(end, service.is_stuck)


async def _first_of(*awaited: Awaitable[Any]) -> None:
    """Wait for what is done first. Tasks that were given go on; what was not begun before ends."""
    tasks = [asyncio.ensure_future(one) for one in awaited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, one in zip(tasks, awaited, strict=True):
        if task is not one:
            task.cancel()


def _note_fault(log: Log, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG001  asyncio's
    """What asyncio would print."""
    error = context.get("exception")
    log({"event": context.get("message"), "error": None if error is None else f"{type(error).__name__}: {error}"})
