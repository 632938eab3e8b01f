"""The token of a service: clients send it as a bearer token, or as the password of basic authentication."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from condetr.serving.protocol.http_errors import Refused

_Endpoint = Callable[[Request], Awaitable[Response]]


def with_token(endpoint: _Endpoint, token: str | None) -> _Endpoint:
    """The endpoint, which refuses requests without the token, if there is one."""
    if token is None:
        return endpoint
    expected = token.encode()

    async def checked(request: Request) -> Response:
        if not hmac.compare_digest(_token_of(request.headers.get("authorization", "")), expected):
            reason = "send the token of this service in the header Authorization: Bearer TOKEN"
            raise Refused(401, "unauthorized", reason, unread=request.method == "POST")
        return await endpoint(request)

    return checked


def _token_of(authorization: str) -> bytes:
    if authorization.startswith("Basic "):
        try:
            return base64.b64decode(authorization[len("Basic ") :]).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return authorization.removeprefix("Bearer ").encode("latin-1") if authorization.startswith("Bearer ") else b""
