"""A small model in the package, so that the first command works without a download."""

from pathlib import Path

DIGITS = "condetr/digits"  # its name where a model is required
FOLDER = Path(__file__).parent / "digits"
