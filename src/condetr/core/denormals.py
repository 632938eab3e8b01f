"""Numbers too small for the normal format of floats, which processors compute with many times as slowly."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_DENORMAL = 1e-40


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Inside, this thread takes them for zero, where its processor can; torch's own threads go on as before.

    Attention has many, in its backward pass and in graphs: the weights of keys that a query hardly looks at.
    """
    were_kept = bool(torch.tensor(_DENORMAL, dtype=torch.float32, device="cpu") * 1 != 0)
    can = torch.set_flush_denormal(True)
    try:
        yield
    finally:
        if can and were_kept:
            torch.set_flush_denormal(False)
