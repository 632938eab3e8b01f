"""What condetr needs below itself, looked at before anything of it is imported."""

import sys
from importlib.metadata import PackageNotFoundError, version

from condetr.core.errors import UsageError

PYTHON, TORCH = (3, 11), (2, 10)  # as pyproject.toml says


def check_versions() -> None:
    """Raises UsageError where Python or PyTorch is too old."""
    if sys.version_info[:2] < PYTHON:
        raise _too_old("Python", ".".join(map(str, sys.version_info[:3])), PYTHON)
    try:
        torch = version("torch")
    except PackageNotFoundError:
        raise UsageError("PyTorch is not installed", hint="pip install torch") from None
    if tuple(int(part) for part in torch.split(".")[:2]) < TORCH:
        raise _too_old("PyTorch", torch, TORCH)


def _too_old(what: str, found: str, least: tuple[int, ...]) -> UsageError:
    wanted = ".".join(map(str, least))
    return UsageError(f"this is {what} {found}; condetr needs {wanted} or newer", hint=f"install {what} {wanted}")
