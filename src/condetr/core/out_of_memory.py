"""Recognizes the out-of-memory errors of all libraries in use by their messages."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from condetr.core.errors import CondetrError, ModelError

_WORDS = (
    "out of memory",  # CUDA, MPS, and torch's allocator in its later versions
    "can't allocate memory",  # torch on the CPU
    "not enough memory",  # the same on Windows
    "Cannot allocate memory",  # the C library
    "Failed to allocate memory",  # ONNX Runtime
    "ALLOC_FAILED",  # cuDNN and cuBLAS
    "bad_alloc",  # C++
    "bad allocation",  # the same on Windows
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library or Python ran out of memory; a `CondetrError` already explains itself."""
    if isinstance(error, CondetrError):
        return False
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if not isinstance(error, RuntimeError):
        return False
    is_torchs = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)  # without importing torch
    return is_torchs or any(words in str(error) for words in _WORDS)


def out_of_memory(where: str, *, source: object = None, hint: str) -> ModelError:
    """The error for it; ``where`` follows the words "out of memory"."""
    return ModelError(f"out of memory {where}", source=source, hint=hint)


@contextmanager
def memory_for(work: str, *, source: object = None, hint: str) -> Iterator[None]:
    """Raise `out_of_memory` if the body runs out of memory; ``work`` as in "decoding 64x96 pixels"."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(work, source=source, hint=hint) from error
