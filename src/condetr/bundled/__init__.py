"""Parts of the package that are no code: a small model, so that the first command works without a download; recipes."""

from pathlib import Path

DIGITS = "condetr/digits"  # its name where a model is required
FOLDER = Path(__file__).parent / "digits"
RECIPES = {path.stem: path for path in sorted((Path(__file__).parent / "recipes").glob("*.yaml"))}  # of training
