"""The main job on a fresh machine: images in, boxes out, how good they are, and a training of one's own.

    python demo/demo.py [--output demo-output]

Everything is done with the command line, as a person would; what it is called with is shown.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

SCENES = {"train": 600, "val": 100}
ENLARGED, LARGER = 12, 4  # images to look at, and how many times larger
PARITY = ("even", "odd")
YOURS = (
    "condetr data check mine/                                 # labels of any common tool: docs/data.md",
    "condetr train mine/ --minutes 15 --output runs/mine      # begins with a model of the package",
    "condetr predict more-images/ --model runs/mine --output found",
)
TRAINING = (
    "--epochs 3 --batch 8 --lr 5e-4 --lr-backbone 1e-4 --schedule linear --decay-at 0.5 --ema 0.99 "
    "--augment light --flip 0 --set freeze=[] --workers 1 --seed 0"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    output = parser.parse_args().output
    shutil.rmtree(output, ignore_errors=True)
    scenes, images, parity = output / "scenes", output / "pictures", output / "even-or-odd"

    title("1. Images of handwritten digits, labeled")
    condetr("data", "demo", scenes, *(word for split in SCENES for word in (f"--{split}", SCENES[split])))
    enlarge(scenes / "val", images)

    title("2. The model that comes with condetr looks for digits")
    condetr("predict", images, "--save", "images,jsonl,coco", "--output", output / "found")

    title("3. How good is it, on handwriting that it never saw?")
    condetr("evaluate", scenes, "--split", "val", "--html", "--output", output / "report")

    title("4. About a minute of training: the same model learns to tell even digits from odd ones")
    relabel(scenes, parity)
    condetr("train", parity, "--model", "condetr/digits", *TRAINING.split(), "--output", output / "run")
    condetr("predict", images, "--model", output / "run", "--output", output / "found-even-or-odd")

    title("Look at")
    for what, where in {
        "the digits that were found": output / "found" / "images",
        "the report, in a browser: errors, curves": output / "report" / "report.html",
        "curves of the training": output / "run" / "curves.png",
        "what the training saw and found": output / "run" / "samples",
        "the even and odd digits that were found": output / "found-even-or-odd" / "images",
    }.items():
        print(f"  {what + ':':45} {where}")

    title("With labeled images of your own (docs/own_images.md)")
    programs = os.path.relpath(Path(sys.executable).parent)
    for line in YOURS:
        print(f"  {programs}/{line}")


def title(text: str) -> None:
    print(f"\n{text}", flush=True)


def condetr(*words: object) -> None:
    print("$ condetr " + " ".join(map(str, words)), flush=True)
    here = {**os.environ, "PYTHONUNBUFFERED": "1"}
    status = subprocess.run([sys.executable, "-m", "condetr", *map(str, words)], check=False, env=here).returncode
    if status:
        sys.exit(status)


def enlarge(folder: Path, output: Path) -> None:
    """Copies on which boxes and names are easy to see."""
    output.mkdir(parents=True)
    for path in sorted(folder.glob("*.jpg"))[:ENLARGED]:
        with Image.open(path) as image:
            larger = image.resize((image.width * LARGER, image.height * LARGER), Image.Resampling.BICUBIC)
            larger.save(output / path.with_suffix(".png").name)


def relabel(scenes: Path, output: Path) -> None:
    """The same images with two classes instead of ten."""
    shutil.copytree(scenes, output)
    for file in output.rglob("*.json"):
        content = json.loads(file.read_text())
        names = {one["id"]: one["name"] for one in content["categories"]}
        content["categories"] = [{"id": number, "name": name} for number, name in enumerate(PARITY)]
        for one in content["annotations"]:
            one["category_id"] = int(names[one["category_id"]]) % 2
        file.write_text(json.dumps(content))


if __name__ == "__main__":
    main()
