"""Error responses: an HTTP status, a stable code, a message, and nothing internal."""

from typing import Any

from condetr.core.errors import CondetrError, ModelError


class Refused(Exception):  # noqa: N818  most of these are no errors of the service
    """A refused request.

    Attributes:
        status: HTTP status.
        code: stable name of the kind of error.
        message: what is wrong, and what to do.
        retry_after: seconds after which a retry makes sense.
        unread: whether a part of the request was not read; the connection closes after the response.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None, unread: bool = False
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after, self.unread = retry_after, unread

    def headers(self) -> dict[str, str]:
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return headers | ({"connection": "close"} if self.unread else {})

    def body(self, request_id: str) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "request_id": request_id}}


def http_error_of(error: CondetrError) -> Refused:
    """The response for an expected failure: its item and reason, without paths of this machine."""
    message = f"{error.item}: {error.reason}" if error.item else error.reason
    return Refused(
        500 if isinstance(error, ModelError) else 422,
        error.code,
        f"{message} ({error.hint})" if error.hint else message,
    )


def busy(reason: str, retry_after: int = 1) -> Refused:
    return Refused(503, "busy", reason, retry_after=retry_after)


BUG = Refused(500, "internal", "this is a bug in condetr; see the log under this request id")
