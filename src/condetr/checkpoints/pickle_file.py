"""Reading files of ``torch.save`` without running what is in them."""

import argparse
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from condetr.checkpoints.archive import FIRST, check_archive
from condetr.core.errors import CheckpointError
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory


def read_pickle(path: Path) -> Any:
    """What ``torch.save`` stored: tensors, plain values, and ``argparse.Namespace``, the one foreign type let in.

    Raises:
        CheckpointError: anything else is in it, it is damaged, or PyTorch could read another archive than was checked.
        ModelError: there is no memory for it.
    """
    with path.open("rb") as file:
        is_archive = file.read(len(FIRST)) == FIRST  # as PyTorch tells them
    if is_archive:
        check_archive(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about tensors that are refused later, by name
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a damaged file leads it to
        if is_out_of_memory(error):
            raise out_of_memory("while it was read", source=path, hint="free memory, or use a smaller model") from error
        raise CheckpointError(_reason(str(error)), source=path) from None


def _reason(said: str) -> str:
    """Torch's finding without its advice, which is to read the file unsafely."""
    if foreign := re.search(r"GLOBAL (\S+)", said):
        return f"refused: holds {foreign[1]}; only tensors and plain values are read, for others could run code"
    if ".tar format" in said:
        return "refused: the tar format of old torch cannot be read without running code in it"
    found = re.split(r"In PyTorch 2\.6|This is an internal|\. Please|\n", said.strip())[0]
    return f"damaged, or no file of torch.save: {found[:200] or 'it ends too early'}"
