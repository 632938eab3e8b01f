"""Reading files of ``torch.save`` without running what is in them."""

import argparse
import re
import warnings
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
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about tensors that are refused later, by name
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file leads it to
        raise CheckpointError(_reason(str(error)), source=path) from None


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


def _reason(said: str) -> str:
    """Torch's finding without its advice, which is to read the file unsafely."""
    if foreign := re.search(r"GLOBAL (\S+)", said):
        return f"refused: holds {foreign[1]}; only tensors and plain values are read, for others could run code"
    if ".tar format" in said:
        return "refused: the tar format of old torch cannot be read without running code in it"
    found = re.split(r"In PyTorch 2\.6|This is an internal|\. Please|\n", said.strip())[0]
    return f"damaged, or no file of torch.save: {found[:200] or 'it ends too early'}"
