"""What condetr needs below itself, looked at before anything else is imported: an old Python reads this file, too."""

from __future__ import annotations  # or Python 3.9 stumbles over the annotations below

import sys
from importlib.metadata import PackageNotFoundError, version

PYTHON, TORCH = (3, 11), (2, 10)  # as pyproject.toml says


def what_is_too_old() -> str | None:
    """In one line, with what to do; None where nothing is."""
    if sys.version_info[:2] < PYTHON:
        return _told("Python", ".".join(map(str, sys.version_info[:3])), PYTHON)
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return "PyTorch is not installed (pip install torch)"
    return _told("PyTorch", torch, TORCH) if tuple(map(int, torch.split(".")[:2])) < TORCH else None


def _told(what: str, found: str, least: tuple[int, ...]) -> str:
    wanted = ".".join(map(str, least))
    return f"this is {what} {found}; condetr needs {wanted} or newer (install {what} {wanted})"
