"""The Ray cluster of a run: one that is running, or one on this machine that ends with the run."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from condetr.core.errors import CondetrError, ModelError, UsageError, first_line_of
from condetr.core.signals import keeping_handler
from condetr.ray.library import ray_library

LOCAL = "local"
LOGS = "Ray's logs are in /tmp/ray/session_latest/logs of each node"
_ADDRESS = "RAY_ADDRESS"  # set inside a job of a cluster
_LEAST_STORE, _MOST_STORE = 256 << 20, 4 << 30  # bytes of the object store
_STARTS = 3  # a node that starts slowly on a busy machine is given up by Ray after half a minute


def address_of(address: str | None) -> str:
    """The cluster to use: the named one, that of the job this runs in, or one on this machine."""
    return address or os.environ.get(_ADDRESS) or LOCAL


@contextmanager
def cluster(address: str, *, store: int) -> Iterator[Any]:
    """The library ray, connected to the cluster.

    Args:
        address: of a running cluster, "auto" for that of this machine, or `LOCAL` to start one.
        store: bytes that the object store should hold, where one is started.

    Raises:
        MissingExtraError: ray is not installed.
        UsageError: there is no cluster at the address.
        ModelError: it cannot be started.
    """
    ray = ray_library()
    if address == LOCAL:
        _start(ray, min(max(store, _LEAST_STORE), _MOST_STORE))
    else:
        _connect(ray, address)
    try:
        yield ray
    finally:
        with keeping_handler("SIGTERM"):  # that of Ray would end the run without completing its results
            ray.shutdown()


def _start(ray: Any, store: int) -> None:
    for attempt in range(1, _STARTS + 1):
        try:
            _init(
                ray,
                address=LOCAL,
                include_dashboard=False,
                object_store_memory=store,
                _system_config={"worker_niceness": 0},  # Ray's 15 would starve them beside any other program
            )
        except CondetrError:
            raise
        except Exception as error:
            ray.shutdown()
            if attempt == _STARTS:
                raise ModelError(f"Ray does not start: {first_line_of(error)}", hint=LOGS) from error
        else:
            return


def _connect(ray: Any, address: str) -> None:
    try:
        _init(ray, address=address)
    except (ConnectionError, ValueError, RuntimeError) as error:
        hint = "ray start --head starts a cluster; without --address, Ray runs on this machine alone"
        reason = f"no Ray cluster can be reached: {first_line_of(error)}"
        raise UsageError(reason, source=address, item="address", hint=hint) from error


def _init(ray: Any, **options: Any) -> None:
    with suppress(ImportError):  # a name that Ray may change; without it, Ray writes of deaths to our stdout
        vars(import_module("ray._private.worker"))["_worker_logs_enabled"] = False
    with keeping_handler("SIGTERM"):  # that of Ray would end the run without completing its results
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
