"""Reading files of ``torch.save`` without running what is in them."""

import argparse
import zipfile
from pathlib import Path
from typing import Any

import torch

from condetr.core.errors import CheckpointError


def read_pickle(path: Path) -> Any:
    """What ``torch.save`` stored: tensors, plain values, and ``argparse.Namespace``, the one foreign type let in.

    Raises:
        CheckpointError: anything else is in it, or it is damaged.
    """
    if zipfile.is_zipfile(path):
        _check_archive(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file leads it to
        raise CheckpointError(f"refused: {_first_sentence(error)}", source=path) from None


def _check_archive(path: Path) -> None:
    """A file of torch packs without compression: a record that unpacks to more than the file is an attack."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"damaged: {error}", source=path) from None
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise CheckpointError("holds compressed records, which torch.save never writes", source=path)
    if sum(record.file_size for record in records) > path.stat().st_size:
        raise CheckpointError("claims more data than the file has", source=path)


def _first_sentence(error: Exception) -> str:
    said = str(error).strip()
    for marker in ("WeightsUnpickler error: ", "Unsupported "):  # after pages of advice that condetr must not give
        if marker in said:
            said = said[said.index(marker) :].removeprefix("WeightsUnpickler error: ")
            return f"holds more than tensors and plain values: {said.splitlines()[0][:200]}"
    return f"damaged or no file of torch.save: {(said.splitlines() or [type(error).__name__])[0][:200]}"
