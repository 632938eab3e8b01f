"""A model as the content of its files, which every node gets once and needs no shared disk for."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from condetr.core.errors import CheckpointError

Content: TypeAlias = Mapping[str, Any]  # bytes as an array, by the name of the file: Ray maps arrays, not copies them


def read_model_files(path: Path) -> Content:
    """The files of a model's folder, or its only file.

    Raises:
        CheckpointError: one cannot be read.
    """
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    try:
        return {file.name: np.fromfile(file, dtype=np.uint8) for file in files if not file.name.startswith(".")}
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror or error}", source=path) from error


@contextmanager
def model_in(content: Content) -> Iterator[Path]:
    """The model in a temporary folder, to load it from: the folder, or its only file."""
    with tempfile.TemporaryDirectory(prefix="condetr-model-") as name:
        folder = Path(name)
        for file, array in content.items():
            array.tofile(folder / file)
        yield folder / next(iter(content)) if len(content) == 1 else folder
