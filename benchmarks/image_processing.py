"""The image processor, from a PIL image to the padded tensor, against the newest transformers.

python -m benchmarks.image_processing [--rounds 15] [--threads 1] [--json FILE]
"""

import numpy as np
import transformers
from PIL import Image

from benchmarks.against_peer import arguments, measure, write
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor

GOALS = {(3000, 4000): 8.0, (1080, 1920): 1.4, (480, 640): 1.4}


def image_of(height: int, width: int) -> Image.Image:
    """Noise over a gradient: flat images hide differences."""
    noise = np.random.default_rng(0).integers(0, 128, (height, width, 3), dtype=np.uint8)
    gradient = np.linspace(0, 127, width).astype(np.uint8)[None, :, None]
    return Image.fromarray(noise + gradient).copy()


def main() -> None:
    options = arguments(__doc__)
    ours, theirs = ConditionalDetrImageProcessor(), transformers.ConditionalDetrImageProcessor()
    rows = []
    for (height, width), goal in GOALS.items():
        image = image_of(height, width)
        mine, their = ours(image, return_tensors="pt"), theirs(image, return_tensors="pt")
        rows.append(
            measure(
                f"{width}x{height} from PIL",
                lambda image=image: ours(image, return_tensors="pt"),
                lambda image=image: theirs(image, return_tensors="pt"),
                rounds=options.rounds,
                deviation=(mine.pixel_values - their["pixel_values"]).abs().max().item(),
                goal=goal,
            )
        )
    write(rows, options.json)


if __name__ == "__main__":
    main()
