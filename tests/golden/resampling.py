"""How near resized images are to the stored ones.

Pillow 13 made those of PIL: others round otherwise. Without AVX2, PyTorch resizes bytes in another way, too.
"""

import torch
from PIL import __version__ as pillow

CLOSE = 1e-4
GRAY_LEVEL = 0.018  # after normalizing
OLD_PILLOW = int(pillow.split(".")[0]) < 13
NO_AVX2 = torch.backends.cpu.get_cpu_capability() == "DEFAULT"


def rounding(*, pil: bool) -> float:
    """The difference that resizing by PIL, or by PyTorch, may make."""
    return GRAY_LEVEL if (OLD_PILLOW if pil else NO_AVX2) else CLOSE
