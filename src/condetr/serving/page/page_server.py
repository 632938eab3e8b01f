"""The web page on a local port, with everything of gradio closed that the page does not need."""

import asyncio
import functools
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from condetr.core.signals import handled_by
from condetr.prediction.predictor import Predictor
from condetr.serving.process.signals import first_of, signals

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
os.environ["GRADIO_RUN_HISTORY"] = "False"  # it may be kept on the hub
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import fastapi
import gradio as gr
from starlette.types import ASGIApp

from condetr.serving.limits import Limits
from condetr.serving.page.access import PageAccess
from condetr.serving.page.no_downloads import no_downloads
from condetr.serving.page.page import Explain, page
from condetr.serving.page.uploads import Uploads
from condetr.serving.process.library_versions import check_pillow
from condetr.serving.process.process_exit import end_now, exit_timer
from condetr.serving.process.sockets import cap_connections
from condetr.serving.process.uvicorn_server import check_uvicorn, quiet_server
from condetr.serving.process.watchdog import watchdog
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.connection import Connection

_FILE_BYTES, _ALL_BYTES = 20 * 2**20, 256 * 2**20  # of one image, and of all files of the page
_FOLDERS = {"GRADIO_TEMP_DIR": "uploads", "GRADIO_EXAMPLES_CACHE": "examples"}
_LAST_SECONDS, _ORDERLY = 5.0, 0.8  # from a signal to the end, whatever hangs; share of it for an orderly end
_THREAD_SECONDS = 0.2  # for a thread to end by itself
_QUEUE, _SESSIONS = 64, 20  # requests in the queue, and visitors whose images stay in memory


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
) -> bool:
    """Serve the page until SIGTERM or SIGINT; uploads are then removed, even if the process is killed.

    Gives whether threads still hang in an image, for which Python would wait forever at exit.

    Args:
        predictor: with threshold 0.
        listening: a bound socket; it is closed at the end.
        title: of the page.
        scenes: writes the example images into a folder, and gives their paths.
        threshold: initial value of the slider.
        pixels: maximum pixels of an image.
        explain: see ``page``.
        on_ready: called when the page can be opened.

    Raises:
        UsageError: Pillow is too old, or gradio or uvicorn too different.
    """
    check_pillow()
    check_uvicorn()
    before = set(threading.enumerate())
    with ExitStack() as ending, tempfile.TemporaryDirectory(prefix="condetr-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for variable, below in _FOLDERS.items():  # uploads are removed with it
            os.environ[variable] = str(folder / below)

        async def run() -> None:  # gradio makes an event loop of its own where none runs
            examples = scenes(folder)
            uploads = Uploads(folder, file_bytes=_FILE_BYTES, all_bytes=_ALL_BYTES)
            blocks = page(
                predictor,
                title=title,
                scenes=examples,
                threshold=threshold,
                pixels=pixels,
                uploads=uploads,
                explain=explain,
            )
            uploads.keep()
            hosts = Hosts(listening.getsockname()[0])
            app, end = application(blocks, uploads, hosts), functools.partial(end_within, _ORDERLY * _LAST_SECONDS, 1)
            if await _serve(app, listening, on_ready, wakeup, end):
                end_now(1, folder)
            ending.enter_context(handled_by(signal.SIG_IGN))  # nothing may interrupt the end

        with watchdog(_LAST_SECONDS, folder) as wakeup, exit_timer(folder) as end_within, no_downloads():
            asyncio.run(run())
        return _are_stuck([thread for thread in threading.enumerate() if thread not in before])


def _are_stuck(threads: Sequence[threading.Thread]) -> bool:
    blocking = [thread for thread in threads if not thread.daemon]
    for thread in blocking:
        thread.join(_THREAD_SECONDS)
    return any(thread.is_alive() for thread in blocking)


def application(blocks: gr.Blocks, uploads: Uploads, hosts: Hosts) -> ASGIApp:
    """The page as one ASGI application."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    blocks.state_session_capacity = _SESSIONS
    blocks.queue(max_size=_QUEUE, api_open=False)
    mounted = gr.mount_gradio_app(
        app,
        blocks,
        "/",
        footer_links=[],
        show_error=False,  # page.py shows expected errors itself
        max_file_size=uploads.file_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        allowed_paths=[str(uploads.folder)],
        theme=gr.themes.Default(),
    )
    blocks.has_launched = True  # gradio checks file names of visitors only if it was launched
    return PageAccess(mounted, hosts=hosts, uploads=uploads, all_bytes=_ALL_BYTES)


async def _serve(
    app: ASGIApp, listening: socket.socket, on_ready: Callable[[], None], wakeup: int, on_end: Callable[[], None]
) -> bool:
    """Serve until a signal arrives; whether a second one arrived before the end."""
    connection = functools.partial(Connection, limits=cap_connections(Limits()))
    server = quiet_server(app, http=connection, patience=1.0)  # open pages keep a connection
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    with signals(wakeup) as received:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        on_ready()
        await first_of(serving, received.first.wait())
        on_end()
        server.should_exit = True
        await first_of(serving, received.second.wait())
        return not serving.done()
