"""``condetr`` and ``python -m condetr``: versions are checked before anything else is imported."""

from __future__ import annotations  # or Python 3.9, which shall read this file, rejects the annotations below

import sys
from importlib.metadata import PackageNotFoundError, version

PYTHON, TORCH = (3, 11), (2, 10)  # as in pyproject.toml


def main() -> int:
    """Run the command line, unless Python or PyTorch is too old to import it."""
    problem = what_is_too_old()
    if problem is not None:
        sys.stderr.write(f"condetr: error: {problem}\n")
        return 2
    from condetr.cli.main import run

    return run()


def what_is_too_old() -> str | None:
    """In one line, with what to install; None where nothing is."""
    if sys.version_info[:2] < PYTHON:
        return _too_old("Python", ".".join(map(str, sys.version_info[:3])), PYTHON)
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return "PyTorch is not installed (pip install torch)"
    return _too_old("PyTorch", torch, TORCH) if tuple(map(int, torch.split(".")[:2])) < TORCH else None


def _too_old(name: str, installed: str, least: tuple[int, ...]) -> str:
    needed = ".".join(map(str, least))
    return f"this is {name} {installed}; condetr needs {needed} or newer (install {name} {needed})"


if __name__ == "__main__":
    sys.exit(main())
