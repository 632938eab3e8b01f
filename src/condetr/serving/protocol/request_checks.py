"""Checks of every request before it is processed: its host, its path and its length."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.responses import error_response


class RequestChecks:
    """Refuses requests for other hosts, and those whose end two programs may read differently (request smuggling)."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is not None:
            await error_response(Request(scope, receive), refused)(scope, receive, send)
            return
        unread = has_body(Headers(scope=scope))

        async def received() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            if unread and message["type"] == "http.response.start":  # or the server would wait for the rest of the body
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, received, sent)

    def _refused(self, scope: Scope) -> Refused | None:
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and ("content-length" in headers or scope["http_version"] == "1.0"):
            reason = "has a Transfer-Encoding that RFC 9112 (6.1) does not allow, so that its end is ambiguous"
            return Refused(400, "http", f"the request {reason}", unread=True)
        if not scope["path"].startswith("/"):
            return Refused(400, "http", "the target of the request must be a path such as /predict", unread=True)
        hosts = headers.getlist("host")
        if not all(self._hosts.allow(host) for host in hosts):  # HTTP/1.0 has none; browsers always send it
            reason = f"the host {hosts[0][:100]!r} is not allowed (--allowed-host)"
            return Refused(421, "host", reason, unread=True)
        return None


def has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or int(headers.get("content-length", "0")) > 0
