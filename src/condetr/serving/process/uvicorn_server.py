"""uvicorn with logging, server header and signal handlers disabled."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from condetr.core.errors import UsageError

_BACKLOG = 2048  # connections held by the system until they are accepted
_OVERRIDDEN = {
    uvicorn.Server: ("capture_signals",),
    H11Protocol: ("pause_writing", "resume_writing", "send_400_response"),
}


def check_uvicorn() -> None:
    """Time limits and signal handling override methods of uvicorn, which a new version may have renamed.

    Raises:
        UsageError: this uvicorn lacks one of them.
    """
    for base, names in _OVERRIDDEN.items():
        for name in names:
            if not hasattr(base, name):
                reason = f"is {uvicorn.__version__}, which lacks {base.__name__}.{name}, needed for limits and signals"
                raise UsageError(reason, item="uvicorn", hint='pip install "uvicorn<0.55"')


def quiet_server(app: Any, *, http: Any = "auto", patience: float = 8.0) -> uvicorn.Server:
    """A server for one ASGI application; its ``serve(sockets=[...])`` ends when ``should_exit`` is set.

    Args:
        app: the application.
        http: the protocol class, uvicorn's own by default.
        patience: seconds for clients to read their responses at shutdown.
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
        """Signals are handled by the caller."""
        yield
