"""``condetr-run``: one line of JSON for each image."""

import argparse
import json
import sys
from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> int:
    """Exit status: 0 all done, 2 usage, 4 some images failed, 5 the model cannot be used."""
    parser = argparse.ArgumentParser(prog="condetr-run", description="Detect objects with an exported ONNX folder.")
    parser.add_argument("model", help="folder of condetr export --format onnx")
    parser.add_argument("images", nargs="+", help="image files")
    parser.add_argument("--threshold", type=_share, default=0.5, help="objects must score higher (default: 0.5)")
    parser.add_argument("--top-k", type=_count, default=100, help="the most objects of an image (default: 100)")
    parser.add_argument("--threads", type=int, default=0, help="of the processor; 0 for all (default)")
    asked = parser.parse_args(words)

    from condetr_run.model import Model, RunError

    try:
        model = Model(asked.model, threads=asked.threads, denormals_as_zero=True)
    except RunError as error:
        sys.stderr.write(f"error: {error}\n")
        return 5
    failed = 0
    for image in asked.images:
        try:
            objects = model.predict(image, threshold=asked.threshold, top_k=asked.top_k)
        except RunError as error:
            sys.stderr.write(f"error: {error}\n")
            failed += 1
        else:
            sys.stdout.write(json.dumps({"image": image, "objects": objects}) + "\n")
    return 4 if failed else 0


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"is {text}, expected a number from 0 to 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"is {text}, expected at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
