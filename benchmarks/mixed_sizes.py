"""Eight images of several sizes: each size its own batch, as the Predictor does it, against all padded together.

python -m benchmarks.mixed_sizes [--rounds 5] [--threads 1] [--json FILE]

The same fast network on both sides; images are resized to a shortest edge of 320. The deviation is the largest
difference of a score from that of the image looked at alone. Padding has one of its own, for the network sees it.
"""

import tempfile
import time
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.against_peer import arguments, measure, write
from benchmarks.fast_forward import write_weights
from condetr.checkpoints.loading import load
from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of
from condetr.images.sizes import Edges
from condetr.prediction.predictor import Predictor
from condetr.speed.accelerate import accelerate

SIZES = ((480, 640),) * 4 + ((640, 480),) * 3 + ((360, 640),)  # as they lie in a folder of photographs


def deviation(scores: Sequence[Tensor], alone: Sequence[Tensor]) -> float:
    return max((one - other).abs().max().item() for one, other in zip(scores, alone, strict=True))


def main() -> None:
    options = arguments(__doc__)
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in SIZES]
    preprocessing = Preprocessing(size=Edges(320, 533))
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        network = accelerate(load(folder).detector.eval(), torch.device("cpu"))
    labels = {number: str(number) for number in range(91)}
    grouped = Predictor(network, preprocessing, labels, batch=8, threshold=0.0, device="cpu")

    def apart() -> list[Tensor]:
        return [found.scores for found in grouped.predict(images)]

    def together() -> list[Tensor]:
        with torch.inference_mode():
            batch = preprocessing.prepare(images)
            found = detections_of(*network(batch.pixels, batch.mask), batch.original_sizes, threshold=0.0, top_k=100)
            return [one.scores for one in found]

    alone = [grouped.predict(image)[0].scores for image in images]
    padded = deviation(together(), alone)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    timed = {"rounds": options.rounds, "deviation": deviation(apart(), alone), "goal": 1.2, "clock": clock}
    row = measure("mixed sizes, 8 images", apart, together, **timed)
    print(f"{'':36} padded together the scores move by up to {padded:.1e}")
    write([row | {"their_deviation": padded}], options.json)


if __name__ == "__main__":
    main()
