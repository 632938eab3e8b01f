"""The network as it is, without any of the speed room, against the newest transformers.

python -m benchmarks.forward [--rounds 15] [--threads 1] [--json FILE]
"""

import tempfile

import torch
import transformers
from tests.scramble import scramble

from benchmarks.against_peer import arguments, measure, write
from condetr import ConditionalDetrForObjectDetection

GOAL = 1.0
SIZES = {"480x640": (480, 640), "800x1066": (800, 1066)}


def main() -> None:
    options = arguments(__doc__)
    theirs = scramble(transformers.ConditionalDetrForObjectDetection(transformers.ConditionalDetrConfig())).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = ConditionalDetrForObjectDetection.from_pretrained(folder)
    rows = []
    for name, size in SIZES.items():
        pixels, mask = torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.long)
        with torch.inference_mode():
            mine, their = ours(pixels, mask), theirs(pixels, mask)
            deviation = max((mine[key] - their[key]).abs().max().item() for key in ("logits", "pred_boxes"))
            rows.append(
                measure(
                    f"ResNet-50, {name}, batch 1",
                    lambda p=pixels, m=mask: ours(p, m),
                    lambda p=pixels, m=mask: theirs(p, m),
                    rounds=options.rounds,
                    deviation=deviation,
                    goal=GOAL,
                )
            )
    write(rows, options.json)


if __name__ == "__main__":
    main()
