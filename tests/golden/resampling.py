"""How near resized images are to the stored ones.

Pillow 13 made those of PIL: others round otherwise. Without AVX2, PyTorch resizes bytes in another way, too.
"""

from collections.abc import Mapping
from typing import Any

import torch
from PIL import __version__ as pillow

CLOSE = 1e-4
OLD_PILLOW = int(pillow.split(".")[0]) < 13
NO_AVX2 = torch.backends.cpu.get_cpu_capability() == "DEFAULT"
USUAL = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_std": (0.229, 0.224, 0.225)}


def rounding(options: Mapping[str, Any], *, pil: bool) -> float:
    """The difference that resizing by PIL, or by PyTorch, may make to an image that is processed with these options."""
    if not (OLD_PILLOW if pil else NO_AVX2):
        return CLOSE
    options = {**USUAL, **options}
    gray_level = options["rescale_factor"] if options["do_rescale"] else 1.0
    return 1.02 * (gray_level / min(options["image_std"]) if options["do_normalize"] else gray_level)
