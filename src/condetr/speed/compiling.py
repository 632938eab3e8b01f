"""torch.compile with frozen weights, for who asks: a service that answers one size of images for long enough.

Compiling a ResNet-50 takes minutes on one core. torch keeps what it compiled on disk (`cache_folder`), so that the next
process waits less. On processors what `accelerate` does without it was faster (docs/speed.md).
"""

import shutil
import warnings
from pathlib import Path
from typing import Any

import torch

from condetr.core.shapes import PixelMask, Pixels
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import Trace
from condetr.speed.decoder_constants import keep_constants
from condetr.speed.fast_detector import FastDetector, Look, fast, has_taken
from condetr.speed.folding import fold_norms

STEP = "compiled with frozen weights"


@torch.no_grad()
def compile_frozen(model: ConditionalDetr | FastDetector) -> FastDetector:
    """The compiler fuses convolutions itself, so only norms and constants are settled before. Masks it leaves alone."""
    if has_taken(model, STEP):
        return model
    model = keep_constants(fold_norms(model))
    return fast(model.network, (*model.steps, STEP), CompiledLook)


class CompiledLook:
    """Compiles when it first sees a size of batch; where that fails it warns, and looks without."""

    def __init__(self, plain: Look) -> None:
        from torch._dynamo.exc import TorchDynamoException  # seconds that only compiling takes

        self._failure = TorchDynamoException
        options: dict[str, Any] = {"freezing": True}
        self._plain = plain
        self._compiled: Any = torch.compile(plain, dynamic=False, options=options)

    def __call__(self, pixels: Pixels, mask: PixelMask | None) -> Trace:
        if self._compiled is not None:
            try:
                with torch.no_grad():
                    return self._compiled(pixels, mask)
            except self._failure as error:
                reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
                warnings.warn(f"torch.compile failed, and is done without: {reason}", stacklevel=2)
                self._compiled = None
        return self._plain(pixels, mask)


def why_not_compiled(device: torch.device) -> str | None:
    """What is missing on this machine for compiling, if anything is."""
    from torch._inductor.cpp_builder import get_cpp_compiler  # the same
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        compiler = get_cpp_compiler()
    except InvalidCxxCompiler:
        compiler = None
    if compiler is None or shutil.which(compiler) is None:
        return "needs a C++ compiler, and there is none (g++, clang++, or what CXX names)"
    if device.type == "cuda" and not torch.utils._triton.has_triton():
        return "needs triton on a GPU, and that is not installed"
    return None


def cache_folder() -> Path:
    """Where torch keeps what it compiled, from one process to the next; TORCHINDUCTOR_CACHE_DIR names another."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    return Path(cache_dir())
