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
os.environ["GRADIO_RUN_HISTORY"] = "False"  # which may be kept on the hub
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import fastapi
import gradio as gr
from starlette.types import ASGIApp

from condetr.serving.downloads import no_downloads
from condetr.serving.hosts import Hosts
from condetr.serving.page import Explain, page
from condetr.serving.page_door import PageDoor
from condetr.serving.quiet_server import quiet_server
from condetr.serving.uploads import Uploads

_FILE_BYTES, _ALL_BYTES = 20 * 2**20, 256 * 2**20  # of one picture, and of all files of the page
_FOLDERS = {"GRADIO_TEMP_DIR": "uploads", "GRADIO_EXAMPLES_CACHE": "examples"}
_WAITING, _SESSIONS = 64, 20  # questions in hand, and visitors whose pictures are kept in memory


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
    with tempfile.TemporaryDirectory(prefix="condetr-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for variable, below in _FOLDERS.items():  # what visitors send goes away with the rest
            os.environ[variable] = str(folder / below)

        async def run() -> None:  # gradio makes an event loop of its own where none runs
            along = scenes(folder)
            uploads = Uploads(folder, file_bytes=_FILE_BYTES, all_bytes=_ALL_BYTES)
            blocks = page(
                predictor,
                title=title,
                scenes=along,
                threshold=threshold,
                pixels=pixels,
                uploads=uploads,
                explain=explain,
            )
            uploads.keep()
            hosts = Hosts(listening.getsockname()[0])
            await _serve(application(blocks, uploads, hosts), listening, on_ready)

        with no_downloads():
            asyncio.run(run())


def application(blocks: gr.Blocks, uploads: Uploads, hosts: Hosts) -> ASGIApp:
    """The page as one ASGI application."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    blocks.state_session_capacity = _SESSIONS
    blocks.queue(max_size=_WAITING, api_open=False)
    mounted = gr.mount_gradio_app(
        app,
        blocks,
        "/",
        footer_links=[],
        show_error=False,  # what condetr expects is told in words of its own, see page.py
        max_file_size=uploads.file_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        allowed_paths=[str(uploads.folder)],
        theme=gr.themes.Default(),
    )
    blocks.has_launched = True  # gradio looks at what a visitor names as a file only where it does the serving itself
    return PageDoor(mounted, hosts=hosts, uploads=uploads, all_bytes=_ALL_BYTES)


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
