"""What a Predictor gains from batches: images one at a time and together, in turns, by CPU time and by the clock.

python -m benchmarks.batch_gain [--model REF] [--image-size N] [--batch 8] [--threads 1] [--rounds 15]

"look" is the network and its scoring, "predict" has decoding and preparing, too.
"""

import argparse
import json
import time

import torch

import condetr
from benchmarks.interleave import interleave, machine
from condetr.data.demo.scenes import scene
from condetr.images.saving import image_bytes
from condetr.prediction.sources import images_in


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    given = [options.model] if options.model else []
    model = condetr.load(*given, device="cpu", image_size=options.image_size)
    one, many = (model.predictor(threshold=0, batch=batch) for batch in (1, options.batch))
    images = [image_bytes(scene(index, split="val").image, ".jpg") for index in range(options.batch)]
    prepared = [many.prepare(source) for source in images_in(images)]
    pairs = {
        "look": (lambda: many.predict_batch(prepared), lambda: [one.predict_batch([image]) for image in prepared]),
        "predict": (lambda: many.predict(images), lambda: one.predict(images)),
    }
    clocks = {"CPU": time.process_time, "clock": time.perf_counter}
    said = {
        f"{name}, {clock}": {
            key: round(value, 3) for key, value in interleave(*pair, options.rounds, clocks[clock]).summary().items()
        }
        for name, pair in pairs.items()
        for clock in clocks
    }
    about = {"machine": machine(), "backend": model.backend, "network sees": list(prepared[0].batch.pixels.shape[2:])}
    print(json.dumps(about | {"batch": options.batch} | said, indent=1))


if __name__ == "__main__":
    main()
