"""Who may ask the page for what: gradio has doors for other uses, and here only those are open that the page needs."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from condetr.serving.page.uploads import Uploads
from condetr.serving.protocol.allowed_hosts import Hosts

_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src 'self' blob:; frame-ancestors 'self'"
)
_GET = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)|/(assets|static|svelte)/[^\0]+"
    r"|/gradio_api/(info|app_id|startup-events|queue/data|upload_progress|heartbeat/[\w-]+|file=[^\0]+)"
)
_POST = re.compile(r"/gradio_api/(upload|queue/join|run/predict|reset|cancel)")
_UPLOAD, _FILE = "/gradio_api/upload", "/gradio_api/file="
_FORM_BYTES = 2**16  # of a form, besides the file
_CALL_BYTES = 2**20  # what a handler is given: a place, a number
_UPLOAD_SECONDS = 60.0
_FOREIGN = re.compile(rb"forwarded|x-forwarded-.*|x-gradio-.*")  # a proxy would send them; none stands before this page


class PageDoor:
    """Keeps other pages, other names and other uses out, and the browser from calling anyone else."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts, uploads: Uploads, all_bytes: int) -> None:
        self._app, self._hosts, self._uploads, self._all_bytes = app, hosts, uploads, all_bytes
        self._coming = 0  # bytes of uploads that are on their way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        assert scope["type"] == "http", "the server speaks nothing else"

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}
                )
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            status, reason = refused
            await JSONResponse({"detail": reason}, status, {"connection": "close"})(scope, receive, sent)
            return
        scope = {**scope, "headers": [one for one in scope["headers"] if not _FOREIGN.fullmatch(one[0])]}
        if scope["path"] == _UPLOAD:
            await self._take(scope, receive, sent)
        else:
            await self._app(scope, receive, sent)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        count = int(Headers(scope=scope)["content-length"])
        self._coming += count
        try:
            self._uploads.make_room(self._coming)
            async with asyncio.timeout(_UPLOAD_SECONDS):
                await self._app(scope, receive, send)
        finally:
            self._coming -= count

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.allow(hosts[0]):
            return 421, "the page is for this machine, and is asked for under another name"
        if not _is_from_here(headers, hosts[0], reads=scope["method"] in ("GET", "HEAD")):
            return 403, "another page asks for this one"
        return self._unwanted(scope) or self._too_much(scope, headers)

    def _unwanted(self, scope: Scope) -> tuple[int, str] | None:
        method, path = scope["method"], scope["path"]
        known = {"GET": _GET, "HEAD": _GET, "POST": _POST}.get(method)
        if known is None or known.fullmatch(path) is None:
            return 404, "there is nothing here"
        if path.startswith(_FILE) and self._uploads.place_of(path.removeprefix(_FILE)) is None:
            return 404, "there is no such file"
        return None

    def _too_much(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        length = headers.get("content-length")
        if "transfer-encoding" in headers or (length is None and scope["method"] == "POST"):
            return 411, "the length of a request is to be said before"
        uploads = scope["path"] == _UPLOAD
        if int(length or 0) > (self._uploads.file_bytes + _FORM_BYTES if uploads else _CALL_BYTES):
            return 413, f"the request is too large; an image may have {self._uploads.file_bytes} bytes"
        if uploads and self._coming + int(length or 0) > self._all_bytes:
            return 503, "too many images are on their way; try again"
        return None


def _is_from_here(headers: Headers, host: str, *, reads: bool) -> bool:
    """Browsers say which page a request is from; programs say nothing."""
    origin: Any = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).scheme in ("http", "https") and urlsplit(origin).netloc.lower() == host.lower()
    return reads or headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
