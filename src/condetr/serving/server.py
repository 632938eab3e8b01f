"""From a predictor to a listening process that shuts down without losing accepted requests."""

import asyncio
import functools
import socket
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import uvicorn
from starlette.types import ASGIApp

from condetr.prediction.predictor import Predictor
from condetr.serving.limits import Limits
from condetr.serving.metrics import Metrics
from condetr.serving.process.library_versions import check_pillow
from condetr.serving.process.signals import Signals, first_of, signals
from condetr.serving.process.sockets import cap_connections
from condetr.serving.process.uvicorn_server import check_uvicorn, quiet_server
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.connection import Connection
from condetr.serving.protocol.request_log import WriteLog
from condetr.serving.protocol.responses import MakeRows, rows_of
from condetr.serving.protocol.routes import application
from condetr.serving.protocol.service_info import ServiceInfo
from condetr.serving.service import Service

MakeApp: TypeAlias = Callable[[Service, ServiceInfo, Limits, Metrics, WriteLog, Hosts], ASGIApp]
_FOR_IMAGES, _FOR_RESPONSES = 0.9, 0.95  # shares of drain_seconds: the rest is for refusals and closing


class End(Enum):
    """How a service ended."""

    DRAINED = "all accepted requests were answered"
    CUT_SHORT = "drain timed out or a second signal arrived; waiting requests were rejected"
    BROKEN = "the model or its device failed"


class Ended(NamedTuple):
    """How it ended, and whether a thread hangs in the network, for which Python would wait forever at exit."""

    end: End
    stuck: bool


def serve(
    predictor: Predictor,
    listening: socket.socket,
    info: ServiceInfo,
    limits: Limits,
    *,
    batch: int,
    log: WriteLog,
    allowed_hosts: Sequence[str] = (),
    wakeup: int | None = None,
    on_state: Callable[[str], None] = lambda _: None,
    make_app: MakeApp = application,
    rows: MakeRows = rows_of,
) -> Ended:
    """Serve until SIGTERM or SIGINT, then drain; a second signal stops draining.

    Args:
        predictor: with threshold 0, for every request has its own.
        listening: a bound socket; it is closed at the end.
        info: metadata of the service and its model.
        limits: sizes and timeouts.
        batch: maximum images per batch.
        log: called with one entry per request.
        allowed_hosts: further names allowed in the ``Host`` header; see ``Hosts``.
        wakeup: see ``signals``.
        on_state: called with "ready", and with "draining" or "broken" when the service begins to end.
        make_app: makes the application; another one speaks another protocol.
        rows: makes a response of the detections of an image, for that application.

    Raises:
        CondetrError: the first image did not give finite numbers, Pillow is too old, or uvicorn too different.
    """
    check_pillow()
    check_uvicorn()

    async def run() -> Ended:
        metrics = Metrics()
        service = Service(predictor, limits, metrics, batch=batch, on_ready=lambda: on_state("ready"), rows=rows)
        hosts = Hosts(listening.getsockname()[0], allowed_hosts)
        app = make_app(service, info, limits, metrics, log, hosts)
        connection = functools.partial(Connection, limits=cap_connections(limits))
        server = quiet_server(app, http=connection, patience=limits.write_seconds)
        asyncio.get_running_loop().set_exception_handler(functools.partial(_log_fault, log))
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
        await first_of(works, listens, received.first.wait())
        broke, failure = works.done(), works.exception() if works.done() else None
        began = clock()
        on_state("broken" if broke and failure is None else "draining")
        await first_of(service.drain(_FOR_IMAGES * seconds), received.second.wait())
        rejected = await service.reject_waiting()
        server.should_exit = True
        await asyncio.wait({listens}, timeout=max(0.0, began + _FOR_RESPONSES * seconds - clock()))
        server.force_exit = True  # for clients that do not read their response
        await listens
    finally:
        listens.cancel()
        works.cancel()
    if failure is not None:
        raise failure
    end = End.BROKEN if broke else End.CUT_SHORT if rejected else End.DRAINED
    return Ended(end, service.is_stuck)


def _log_fault(log: WriteLog, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG001  asyncio's
    """Log what asyncio would print."""
    error = context.get("exception")
    log({"event": context.get("message"), "error": None if error is None else f"{type(error).__name__}: {error}"})
