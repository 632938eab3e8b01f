"""The page on a port of this machine, with the doors closed that gradio leaves open for other uses."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from condetr.prediction.predictor import Predictor
from condetr.serving.signals import signals

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import fastapi
import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from condetr.serving.downloads import no_downloads
from condetr.serving.page import Explain, page
from condetr.serving.quiet_server import quiet_server

_UPLOAD_LIMIT = "20mb"
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src 'self' blob:; frame-ancestors 'self'"
)


def serve_page(
    predictor: Predictor,
    listening: socket.socket,
    *,
    title: str,
    scenes: Callable[[Path], Sequence[str]],
    threshold: float,
    pixels: int,
    explain: Explain | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Show the page until SIGTERM or SIGINT.

    Args:
        predictor: with threshold 0.
        listening: a bound socket; it is closed at the end.
        title: of the page.
        scenes: writes the pictures that come along into a folder, and gives their paths.
        threshold: where the slider stands at first.
        pixels: the most of a picture.
        explain: see ``page``.
        on_ready: called when the page can be opened.
    """
    with tempfile.TemporaryDirectory(prefix="condetr-demo-") as name:
        folder = Path(name)
        os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")  # what visitors send goes away with the rest

        async def run() -> None:  # gradio makes an event loop of its own where none runs
            blocks = page(
                predictor,
                title=title,
                scenes=scenes(folder),
                threshold=threshold,
                pixels=pixels,
                folder=folder,
                explain=explain,
            )
            await _serve(application(blocks, folder), listening, on_ready)

        with no_downloads():
            asyncio.run(run())


def application(blocks: gr.Blocks, folder: Path) -> ASGIApp:
    """The page as one ASGI application."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    mounted = gr.mount_gradio_app(
        app,
        blocks,
        "/",
        footer_links=[],
        show_error=False,  # what condetr expects is told in words of its own, see page.py
        max_file_size=_UPLOAD_LIMIT,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        allowed_paths=[str(folder)],
        theme=gr.themes.Default(),
    )
    return _Closed(mounted)


class _Closed:
    """Keeps the browser from calling anyone else, and the server from fetching what a visitor names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "/proxy=" in scope["path"]:
            await JSONResponse({"detail": "not here"}, 404)(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}
                )
            await send(message)

        await self._app(scope, receive, sent)


async def _serve(app: ASGIApp, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    server = quiet_server(app, patience=1.0)  # pages that are open hold a connection for as long as they are
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    with signals() as received:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        on_ready()
        told = asyncio.create_task(received.first.wait())
        await asyncio.wait({told, serving}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        server.should_exit = True
        await serving
