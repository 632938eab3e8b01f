"""torch.compile with frozen weights: for a service that answers one size of pictures for long enough.

Compiling a ResNet-50 takes minutes on one core; nothing here does it unasked. torch keeps what it compiled on disk, in
the folder that TORCHINDUCTOR_CACHE_DIR names. On a processor what `hasten` does is faster, without the wait.
"""

from typing import Any

import torch

from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.model.detector import ConditionalDetr
from condetr.speed.constants import keep_constants
from condetr.speed.fast_detector import FastDetector, has_taken
from condetr.speed.folding import fold_norms

STEP = "compiled with frozen weights"


class CompiledDetector(FastDetector):
    """Compiles when it first sees a size of batch."""

    def __init__(self, plain: FastDetector) -> None:
        super().__init__(plain.network, (*plain.steps, STEP))
        options: dict[str, Any] = {"freezing": True}
        self._answer: Any = torch.compile(plain.__class__.forward, dynamic=False, options=options)

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        with torch.no_grad():
            return self._answer(self, pixels, mask)


def compile_frozen(model: ConditionalDetr | FastDetector) -> FastDetector:
    """The compiler fuses convolutions itself, so only norms and constants are settled before."""
    return model if has_taken(model, STEP) else CompiledDetector(keep_constants(fold_norms(model)))
