"""Ray, imported where it is needed, without its telemetry."""

import importlib
import importlib.util
import os
from typing import Any

from condetr.core.errors import MissingExtraError


def require_ray(purpose: str) -> None:
    """Raises MissingExtraError where ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("ray", "ray", purpose)


def ray_library() -> Any:
    """Raises MissingExtraError where ray is not installed."""
    require_ray("--engine ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import, which reads it
    return importlib.import_module("ray")
