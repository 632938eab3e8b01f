"""Allowed values of the ``Host`` header.

A foreign web page may point a name of its own at this machine (DNS rebinding). The browser then treats the service as
part of that page, but sends its name as ``Host``.
"""

import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ANY = "*"
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/?#@\[\]]+))(?::(\d{1,5}))?", re.IGNORECASE)


class Hosts:
    """Names and addresses allowed in the ``Host`` header."""

    def __init__(self, listened_on: str, more: Iterable[str] = ()) -> None:
        """Loopback names, the listening address, and ``more``; ``*`` allows any.

        If other machines can reach the service, also its host name, and every numeric address: no foreign name can
        resolve to these in a browser's ``Host``.
        """
        names = {*LOOPBACK, listened_on, *more}
        self._allow_any, self._allow_numeric = ANY in names, listened_on not in LOOPBACK
        if self._allow_numeric:
            names.add(socket.gethostname())
        self._names = {_plain(name) for name in names}

    def allow(self, host: str) -> bool:
        """Whether a ``Host``, with or without a port, is allowed."""
        if self._allow_any:
            return True
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = _plain(match[1] or match[2])
        return name in self._names or (self._allow_numeric and _is_numeric(name))


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _is_numeric(name: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(name))
    return False
