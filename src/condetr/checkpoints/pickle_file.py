"""Reading files of ``torch.save`` without running code in them."""

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
    """The content of a file of ``torch.save``: tensors, plain values and ``argparse.Namespace``, no other types.

    Raises:
        CheckpointError: it holds anything else, is damaged, or PyTorch could read another archive than was checked.
        ModelError: out of memory.
    """
    with path.open("rb") as file:
        is_archive = file.read(len(FIRST)) == FIRST  # as PyTorch distinguishes them
    if is_archive:
        check_archive(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about tensors that are refused later, by name
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises anything on a damaged file
        if is_out_of_memory(error):
            raise out_of_memory("while it was read", source=path, hint="free memory, or use a smaller model") from error
        raise CheckpointError(_reason(str(error)), source=path) from None


def _reason(message: str) -> str:
    """Torch's message without its advice, which is to load the file unsafely."""
    if foreign := re.search(r"GLOBAL (\S+)", message):
        return f"refused: holds {foreign[1]}; only tensors and plain values are read, others could run code"
    if ".tar format" in message:
        return "refused: the tar format of old torch cannot be read without running code in it"
    cause = re.split(r"In PyTorch 2\.6|This is an internal|\. Please|\n", message.strip())[0]
    return f"is damaged, or not a file of torch.save: {cause[:200] or 'it ends too early'}"
