"""What an explanation costs beside a prediction by the faster copy, and by the network that it looks at: R50.

python -m benchmarks.explanation PICTURE [--rounds 7] [--threads 1]
"""

import argparse
import json
import time

import torch
from tests.scramble import scramble

from benchmarks.interleave import interleave, machine
from condetr.explain.run import explain_image
from condetr.images.preprocessing import Preprocessing
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.prediction.predictor import Predictor
from condetr.prediction.sources import images_in

LABELS = {number: f"class {number}" for number in range(91)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = scramble(ConditionalDetr(DetectorConfig(num_labels=91))).eval()
    preprocessing = Preprocessing()
    fast, plain = (
        Predictor(network, preprocessing, LABELS, device="cpu", threshold=0.0, fast=fast) for fast in (True, False)
    )

    def predict() -> None:
        fast.predict(options.image)

    def predict_plainly() -> None:
        plain.predict(options.image)

    def explain() -> None:
        explain_image(network, preprocessing, LABELS, options.image, threshold=0.0).explain(0)

    def explain_and_draw() -> None:
        explain_image(network, preprocessing, LABELS, options.image, threshold=0.0).explain(0).figure("bands")

    clock = time.process_time
    config, [image] = network.config, list(images_in(options.image))
    said = {
        "machine": machine(),
        "network": f"ResNet-50, {config.decoder_layers} decoder layers, {config.decoder_attention_heads} heads",
        "network sees": list(preprocessing.prepare([image.image()]).pixels.shape[2:]),
        "explain / predict": interleave(predict, explain, options.rounds, clock).summary(),
        "explain / predict, same network": interleave(predict_plainly, explain, options.rounds, clock).summary(),
        "explain with figure / predict": interleave(predict, explain_and_draw, options.rounds, clock).summary(),
    }
    print(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
