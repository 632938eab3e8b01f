"""Reading a .safetensors file, after checking its header byte by byte for precise error messages."""

import struct
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor

from condetr.core.errors import CheckpointError, ModelError
from condetr.core.out_of_memory import memory_for
from condetr.files.json_reading import json_object

MOST_AXES = 16
LARGEST_HEADER = 16 * 2**20  # bytes; the format allows six times as many, real ones have a few at most
ITEM_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors by key, mapped from the file.

    Raises:
        CheckpointError: the file is truncated, padded, overlapping or otherwise not what the format allows.
    """
    check_header(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with memory_for("while it was read", source=path, hint="free memory, or use a smaller model"):
            return load_file(path)
    except ModelError:
        raise
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"cannot be read as safetensors: {error}", source=path) from None


def check_header(path: Path) -> None:
    """Check that every byte of the file belongs to the header or to exactly one tensor."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise CheckpointError(f"is truncated: {size} bytes, shorter than any header", source=path)
        (length,) = struct.unpack("<Q", start)
        if length > min(LARGEST_HEADER, size - 8):
            raise CheckpointError(
                f"header invalid or truncated: it claims {length} bytes of a file of {size}", source=path
            )
        try:
            text = file.read(length).decode()
        except UnicodeDecodeError:
            raise CheckpointError("is not UTF-8 text", source=path, item="header") from None
    try:
        header = json_object(text, path)
    except CheckpointError as error:
        raise error.at(item="header") from None
    header.pop("__metadata__", None)
    spans = sorted(_span(path, key, entry) for key, entry in header.items())
    end = 0
    for first, last, key in spans:
        if first != end:
            gap = "overlaps the tensor before it" if first < end else f"leaves {first - end} unclaimed bytes before it"
            raise CheckpointError(gap, source=path, item=key)
        end = last
    if end != size - 8 - length:
        rest = size - 8 - length - end
        trailing = f"has {rest} trailing bytes that belong to no tensor"
        raise CheckpointError(trailing if rest > 0 else f"is truncated: {-rest} bytes are missing", source=path)


def _span(path: Path, key: str, entry: Any) -> tuple[int, int, str]:
    """First and last byte of a tensor, after a check that its shape fits."""
    try:
        dtype, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
        valid = (
            isinstance(dtype, str)
            and len(entry) == 3
            and len(shape) <= MOST_AXES
            and all(type(n) is int and 0 <= n < 2**53 for n in (first, last, *shape))
        )
    except (TypeError, KeyError, ValueError):
        valid = False
    if not valid:
        raise CheckpointError("has no valid dtype, shape and data_offsets in the header", source=path, item=key)
    if dtype not in ITEM_BITS:
        raise CheckpointError(f"has the unknown dtype {dtype!r}", source=path, item=key)
    if (last - first) * 8 != prod(shape) * ITEM_BITS[dtype]:
        raise CheckpointError(f"has {last - first} bytes, which do not hold {shape} of {dtype}", source=path, item=key)
    return first, last, key
