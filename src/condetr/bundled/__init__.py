"""A model that comes with condetr, so that the first command of a person finds something without any download."""

from pathlib import Path

DIGITS = "condetr/digits"  # how it is called where a model is asked for
FOLDER = Path(__file__).parent / "digits"
