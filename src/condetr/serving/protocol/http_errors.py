"""The answers that are a no: a status, a code for programs, a sentence for people, and nothing of our insides."""

from typing import Any

from condetr.core.errors import CondetrError, ModelError


class Refused(Exception):  # noqa: N818  most of these are no errors of ours
    """A request that does not get what it asked for.

    Attributes:
        status: of HTTP.
        code: stable name of the kind.
        message: what is wrong, and what to do.
        retry_after: seconds after which it is worth another try.
        unread: whether a part of the request is still on its way; the connection ends with this answer.
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


def refusal_of(error: CondetrError) -> Refused:
    """What a caller is told of an expected failure: what it is about, not where it lies on this machine."""
    about = f"{error.item}: {error.reason}" if error.item else error.reason
    return Refused(
        500 if isinstance(error, ModelError) else 422,
        error.code,
        f"{about} ({error.hint})" if error.hint else about,
    )


def busy(reason: str, retry_after: int = 1) -> Refused:
    return Refused(503, "busy", reason, retry_after=retry_after)


BUG = Refused(500, "internal", "this is a bug in condetr; the log has more under this request id")
