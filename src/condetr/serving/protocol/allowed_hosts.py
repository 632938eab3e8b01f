"""Which names a service answers to.

A page of somebody else may point a name of its own at this machine (DNS rebinding). The browser then takes the service
for a part of that page, but sends its name as ``Host``.
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
    """Names and addresses that may stand in the ``Host`` of a request."""

    def __init__(self, listened_on: str, more: Iterable[str] = ()) -> None:
        """Loopback names, what is listened on, and ``more``; ``*`` lets everything in.

        Where other machines can reach it, also its own name, and every address that is written as a number: no name
        that somebody else owns leads there.
        """
        names = {*LOOPBACK, listened_on, *more}
        self._anything, self._numbers = ANY in names, listened_on not in LOOPBACK
        if self._numbers:
            names.add(socket.gethostname())
        self._names = {_plain(name) for name in names}

    def allow(self, host: str) -> bool:
        """Whether a ``Host``, with or without a port, is one of them."""
        if self._anything:
            return True
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = _plain(found[1] or found[2])
        return name in self._names or (self._numbers and _is_number(name))


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _is_number(name: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(name))
    return False
