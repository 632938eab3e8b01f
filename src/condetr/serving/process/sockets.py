"""The listening socket, and the number of connections that the system allows."""

import resource
import socket
from dataclasses import replace

from condetr.core.errors import UsageError
from condetr.serving.limits import Limits

_OTHER_FILES = 100  # open files besides the connections


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to its address, before anything else is done.

    Raises:
        UsageError: the address is in use, or not of this machine.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, number)
    except (OSError, ValueError, OverflowError) as error:  # ValueError: no valid host name
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen: {reason}", item=f"{host or repr(host)} port {port}") from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise UsageError(f"cannot listen: {error.strerror}", item=f"{host or repr(host)} port {port}") from None
    return listening


def cap_connections(limits: Limits) -> Limits:
    """``connections`` capped by the open files of the process; the system's soft limit is raised to its hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.connections + _OTHER_FILES
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return replace(limits, connections=max(1, min(limits.connections, soft - _OTHER_FILES)))
