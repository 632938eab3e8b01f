"""Eight pictures of several sizes: each size its own batch, as the Predictor does it, against all padded together.

python -m benchmarks.mixed_sizes [--rounds 5] [--threads 1] [--json FILE]

The same fast network on both sides; pictures are resized to a shortest edge of 320.
"""

import time

import numpy as np
import torch
from PIL import Image
from tests.scramble import scramble

from benchmarks.against_peer import arguments, measure, write
from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of
from condetr.images.sizes import Edges
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.prediction.predictor import Predictor
from condetr.speed.choice import hasten

SIZES = ((480, 640),) * 4 + ((640, 480),) * 3 + ((360, 640),)  # as they lie in a folder of photographs


def main() -> None:
    options = arguments(__doc__)
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in SIZES]
    preprocessing = Preprocessing(size=Edges(320, 533))
    network = hasten(scramble(ConditionalDetr(DetectorConfig())).eval(), torch.device("cpu"))
    labels = {number: str(number) for number in range(91)}
    predictor = Predictor(network, preprocessing, labels, batch=8, device="cpu")

    def together() -> object:
        with torch.inference_mode():
            batch = preprocessing.prepare(pictures)
            return detections_of(*network(batch.pixels, batch.mask), batch.original_sizes)

    clock = time.process_time if options.threads == 1 else time.perf_counter
    timed = {"rounds": options.rounds, "deviation": float("nan"), "goal": 1.2, "clock": clock}
    write([measure("mixed sizes, 8 pictures", lambda: predictor.predict(pictures), together, **timed)], options.json)


if __name__ == "__main__":
    main()
