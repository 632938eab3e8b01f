"""One connection of HTTP/1.1 that does not wait for ever: not for a head, nor for its answer to be taken.

uvicorn ends a connection that is idle between two requests. One that sends its head a byte at a time, or that never
reads what it is sent, it would keep for as long as the other side likes.
"""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from condetr.serving.limits import Limits
from condetr.serving.protocol.http_errors import Refused, busy

_REASONS = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


class Connection(H11Protocol):
    """uvicorn's protocol with deadlines, whose own refusals have the form of all others."""

    def __init__(self, *given: Any, limits: Limits, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limits = limits
        self._head: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._end_with(busy("too many connections"))
        else:
            self._head = self._in(self._limits.header_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        _stop(self._head)
        _stop(self._taking)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._head is None and self.conn.their_state is h11.IDLE:
            self._head = self._in(self._limits.header_seconds, self._head_is_late)
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            _stop(self._head)
            self._head = None

    def pause_writing(self) -> None:
        super().pause_writing()
        _stop(self._taking)
        self._taking = self._in(self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _stop(self._taking)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's signature, and its words
        self._end_with(Refused(400, "http", "the request is no valid HTTP/1.1"))

    def _head_is_late(self) -> None:
        self._end_with(Refused(408, "timeout", f"the head was not there within {self._limits.header_seconds:g} s"))

    def _end_with(self, refused: Refused) -> None:
        """Say no, unless an answer has begun already, and close."""
        _stop(self._head)
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self.transport.write(_response(refused))
            self.transport.close()

    def _in(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, act)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _response(refused: Refused) -> bytes:
    body = json.dumps(refused.body(uuid.uuid4().hex)).encode()
    headers = refused.headers() | {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    lines = [f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
