"""The page on a port of this machine, with the doors closed that gradio leaves open for other uses."""

import asyncio
import functools
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from condetr.core.signals import handled_by
from condetr.prediction.predictor import Predictor
from condetr.serving.process.signals import signals

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
os.environ["GRADIO_RUN_HISTORY"] = "False"  # which may be kept on the hub
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import fastapi
import gradio as gr
from starlette.types import ASGIApp

from condetr.serving.limits import Limits
from condetr.serving.page.access import PageDoor
from condetr.serving.page.no_downloads import no_downloads
from condetr.serving.page.page import Explain, page
from condetr.serving.page.uploads import Uploads
from condetr.serving.process.library_versions import check_pillow
from condetr.serving.process.process_exit import end_now, last_moment
from condetr.serving.process.sockets import within_open_files
from condetr.serving.process.uvicorn_server import quiet_server
from condetr.serving.process.watchdog import kept
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.connection import Connection

_FILE_BYTES, _ALL_BYTES = 20 * 2**20, 256 * 2**20  # of one image, and of all files of the page
_FOLDERS = {"GRADIO_TEMP_DIR": "uploads", "GRADIO_EXAMPLES_CACHE": "examples"}
_LAST_SECONDS, _ORDERLY = 5.0, 0.8  # from a signal to the end, whatever hangs; and the share that the page itself has
_THREAD_SECONDS = 0.2  # that a thread may take to end by itself
_WAITING, _SESSIONS = 64, 20  # questions in hand, and visitors whose images are kept in memory


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
    """Show the page until SIGTERM or SIGINT; what was sent to it is removed then, whatever becomes of the process.

    Gives whether threads are left, stuck in an image, so that Python would wait for them for ever.

    Args:
        predictor: with threshold 0.
        listening: a bound socket; it is closed at the end.
        title: of the page.
        scenes: writes the images that come along into a folder, and gives their paths.
        threshold: where the slider stands at first.
        pixels: the most of an image.
        explain: see ``page``.
        on_ready: called when the page can be opened.
    """
    check_pillow()
    before = set(threading.enumerate())
    with ExitStack() as ending, tempfile.TemporaryDirectory(prefix="condetr-demo-", ignore_cleanup_errors=True) as name:
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
            app, end = application(blocks, uploads, hosts), functools.partial(end_within, _ORDERLY * _LAST_SECONDS, 1)
            if await _serve(app, listening, on_ready, wakeup, end):
                end_now(1, folder)
            ending.enter_context(handled_by(signal.SIG_IGN))  # nothing may interrupt the end

        with kept(_LAST_SECONDS, folder) as wakeup, last_moment(folder) as end_within, no_downloads():
            asyncio.run(run())
        return _are_stuck([thread for thread in threading.enumerate() if thread not in before])


def _are_stuck(threads: Sequence[threading.Thread]) -> bool:
    waited_for = [thread for thread in threads if not thread.daemon]
    for thread in waited_for:
        thread.join(_THREAD_SECONDS)
    return any(thread.is_alive() for thread in waited_for)


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


async def _serve(
    app: ASGIApp, listening: socket.socket, on_ready: Callable[[], None], wakeup: int, on_end: Callable[[], None]
) -> bool:
    """Serve until a signal comes; whether a second one came before the end."""
    connection = functools.partial(Connection, limits=within_open_files(Limits()))
    server = quiet_server(
        app, http=connection, patience=1.0
    )  # pages that are open hold a connection as long as they are
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    with signals(wakeup) as received:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        on_ready()
        await _first_of(serving, received.first.wait())
        on_end()
        server.should_exit = True
        await _first_of(serving, received.second.wait())
        return not serving.done()


async def _first_of(serving: "asyncio.Task[None]", told: Coroutine[Any, Any, Any]) -> None:
    other = asyncio.create_task(told)
    await asyncio.wait({serving, other}, return_when=asyncio.FIRST_COMPLETED)
    other.cancel()
