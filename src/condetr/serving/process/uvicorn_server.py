"""uvicorn without its words on stderr, its name in the answers, and its opinion on signals."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

_BACKLOG = 2048  # connections that the system holds until we take them


def quiet_server(app: Any, *, http: Any = "auto", patience: float = 8.0) -> uvicorn.Server:
    """A server for one ASGI application; its ``serve(sockets=[...])`` ends when ``should_exit`` is set.

    Args:
        app: the application.
        http: the protocol, where it is not uvicorn's own.
        patience: seconds for answers to be taken, once it is to end.
    """
    return _Server(
        uvicorn.Config(
            app,
            http=http,
            ws="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=int(patience) + 1,
        )
    )


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """What a signal means is decided elsewhere."""
        yield
