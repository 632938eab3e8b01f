"""The page of `condetr demo` as a Space of Hugging Face; README.md beside this file says how to set it up."""

import os
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp(prefix="condetr-space-"))
os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")  # gradio reads it when it is imported

from PIL.Image import Image  # noqa: E402

import condetr  # noqa: E402
from condetr.data.demo.scenes import scene  # noqa: E402
from condetr.serving.page.page import page  # noqa: E402
from condetr.serving.page.uploads import Uploads  # noqa: E402

REFERENCE = os.environ.get("CONDETR_MODEL", "condetr/digits")  # a hub id, or a folder of the Space
PIXELS, FILE_BYTES, ALL_BYTES = 13_000_000, 20 * 2**20, 256 * 2**20  # of an image, and of all files of the page

model = condetr.load(REFERENCE)
examples = sorted(map(str, Path("examples").glob("*")))
if not examples and REFERENCE == "condetr/digits":
    for index in range(4):
        examples.append(str(folder / f"scene-{index}.png"))
        scene(index, split="val").image.save(examples[-1])


def explain(image: Image, number: int) -> Image:
    """The attention of each decoder head for the detection ``number``."""
    return model.explain(image, detection=number, threshold=0).figure()


uploads = Uploads(folder, file_bytes=FILE_BYTES, all_bytes=ALL_BYTES)
uploads.keep()
demo = page(
    model.predictor(threshold=0, task="detect" if model.task == "detect" else "instance"),
    title=REFERENCE,
    scenes=examples,
    threshold=0.5,
    pixels=PIXELS,
    uploads=uploads,
    explain=explain,
)

if __name__ == "__main__":
    demo.queue(max_size=64).launch(max_file_size=FILE_BYTES)
