"""The address that is listened on, and how many connections the system lets a process have."""

import resource
import socket
from dataclasses import replace

from condetr.core.errors import UsageError
from condetr.serving.limits import Limits

_OTHER_FILES = 100  # that a process has open besides its connections


def bound(host: str, port: int) -> socket.socket:
    """A socket that has its address, before anything else is done.

    Raises:
        UsageError: the address is taken, or not of this machine.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, number)
    except (OSError, ValueError, OverflowError) as error:  # ValueError: of text that can be no name of a host
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot be listened on: {reason}", item=f"{host or repr(host)} port {port}") from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise UsageError(f"cannot be listened on: {error.strerror}", item=f"{host or repr(host)} port {port}") from None
    return listening


def within_open_files(limits: Limits) -> Limits:
    """No more connections than the process may have open; the system's soft limit is raised to its hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return replace(limits, connections=max(1, min(limits.connections, soft - _OTHER_FILES)))
