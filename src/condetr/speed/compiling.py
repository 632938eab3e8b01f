"""torch.compile with frozen weights, on request: for a service that processes one image size for long enough.

Compiling a ResNet-50 takes minutes on one core. torch caches compiled code on disk (`cache_folder`), so that the next
process waits less. On CPUs the steps of `accelerate` were faster without it (docs/speed.md).
"""

import getpass
import os
import shutil
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from condetr.core.shapes import PixelMask, Pixels
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import Trace
from condetr.speed.decoder_constants import precompute_decoder
from condetr.speed.fast_detector import FastDetector, TraceFunction, fast, has_step
from condetr.speed.folding import fold_norms

STEP = "compiled with frozen weights"


@torch.no_grad()
def compile_frozen(model: ConditionalDetr | FastDetector) -> FastDetector:
    """The compiler fuses convolutions itself, so only norms and constants are folded before. Masks stay uncompiled."""
    if has_step(model, STEP):
        return model
    model = precompute_decoder(fold_norms(model))
    return fast(model.network, (*model.steps, STEP), CompiledTrace)


class CompiledTrace:
    """Compiles at the first batch of each shape; if that fails, it warns and runs without."""

    def __init__(self, plain: TraceFunction) -> None:
        options: dict[str, Any] = {"freezing": True}
        self._failure = _compile_error()
        self._plain = plain
        self._compiled: Any = torch.compile(plain, dynamic=False, options=options)

    def __call__(self, pixels: Pixels, mask: PixelMask | None) -> Trace:
        if self._compiled is not None:
            try:
                with torch.no_grad():
                    return self._compiled(pixels, mask)
            except self._failure as error:
                reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
                warnings.warn(f"torch.compile failed; continuing without it: {reason}", stacklevel=2)
                self._compiled = None
        return self._plain(pixels, mask)


def why_not_compiled(device: torch.device) -> str | None:
    """What this machine lacks for compiling, or None."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # as torch looks for it
    if shutil.which(compiler) is None:
        return f"needs a C++ compiler, and there is no {compiler} (set CXX to the path of one)"
    if device.type == "cuda" and not _has_triton():
        return "needs triton on a GPU, and it is not installed"
    return None


def cache_folder() -> Path:
    """Where torch keeps compiled code from one process to the next; TORCHINDUCTOR_CACHE_DIR sets another."""
    try:
        from torch._inductor.runtime.cache_dir_utils import cache_dir
    except ImportError:
        default = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
        return Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR", default))
    return Path(cache_dir())


def _compile_error() -> type[Exception]:
    try:
        from torch._dynamo.exc import TorchDynamoException  # takes seconds, so only when compiling
    except ImportError:
        return RuntimeError
    return TorchDynamoException


def _has_triton() -> bool:
    try:
        from torch.utils._triton import has_triton
    except ImportError:
        return find_spec("triton") is not None
    return has_triton()
