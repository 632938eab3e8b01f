"""Access control of the page: gradio has routes for other uses, and only those that the page needs are open."""

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
_CALL_BYTES = 2**20  # of the arguments of a handler: a path, a number
_UPLOAD_SECONDS = 60.0
_PROXY_HEADERS = re.compile(rb"forwarded|x-forwarded-.*|x-gradio-.*")  # there is no proxy before this page


class PageAccess:
    """Refuses other origins, hosts and routes, and forbids the browser to connect elsewhere."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts, uploads: Uploads, all_bytes: int) -> None:
        self._app, self._hosts, self._uploads, self._all_bytes = app, hosts, uploads, all_bytes
        self._incoming = 0  # bytes of uploads in progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        assert scope["type"] == "http", "the server has no other protocol"

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
        headers = [(name, value) for name, value in scope["headers"] if not _PROXY_HEADERS.fullmatch(name)]
        scope = {**scope, "headers": headers}
        if scope["path"] == _UPLOAD:
            await self._upload(scope, receive, sent)
        else:
            await self._app(scope, receive, sent)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        count = int(Headers(scope=scope)["content-length"])
        self._incoming += count
        try:
            self._uploads.make_room(self._incoming)
            async with asyncio.timeout(_UPLOAD_SECONDS):
                await self._app(scope, receive, send)
        finally:
            self._incoming -= count

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.allow(hosts[0]):
            return 421, "the page is for this machine only: open it as http://127.0.0.1 or http://localhost"
        if not _is_same_origin(headers, hosts[0], reads=scope["method"] in ("GET", "HEAD")):
            return 403, "requests from other pages are not allowed"
        return self._refused_path(scope) or self._refused_size(scope, headers)

    def _refused_path(self, scope: Scope) -> tuple[int, str] | None:
        method, path = scope["method"], scope["path"]
        allowed = {"GET": _GET, "HEAD": _GET, "POST": _POST}.get(method)
        if allowed is None or allowed.fullmatch(path) is None:
            return 404, "there is no such path"
        if path.startswith(_FILE) and self._uploads.resolve(path.removeprefix(_FILE)) is None:
            return 404, "there is no such file"
        return None

    def _refused_size(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        length = headers.get("content-length")
        if "transfer-encoding" in headers or (length is None and scope["method"] == "POST"):
            return 411, "the request needs a Content-Length header"
        is_upload = scope["path"] == _UPLOAD
        if int(length or 0) > (self._uploads.file_bytes + _FORM_BYTES if is_upload else _CALL_BYTES):
            return 413, f"the request is too large; an image may have {self._uploads.file_bytes} bytes"
        if is_upload and self._incoming + int(length or 0) > self._all_bytes:
            return 503, "too many images are being uploaded; try again"
        return None


def _is_same_origin(headers: Headers, host: str, *, reads: bool) -> bool:
    """Browsers send the origin of a request; programs send none."""
    origin: Any = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).scheme in ("http", "https") and urlsplit(origin).netloc.lower() == host.lower()
    return reads or headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
