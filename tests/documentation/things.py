"""What a reader of the pages has: images, labels, a video, a run, a graph, and the cache of the hub; small and real."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.models import resnet18

import condetr
from condetr.bundled import bundled_models
from condetr.cli.main import run
from condetr.data.demo.scenes import scene
from tests.exports import exported_once
from tests.tiny import tiny_detector
from tests.videos import make_video

HUB_MODEL = "microsoft/conditional-detr-resnet-50"
CLASSES = ("person", "cat", "dog", "cell", "car", "truck", "bird", "bolt", "nut", "Platelets")  # instead of digits
_COMMIT = "0" * 39 + "1"
_SIDE = 384  # pixels of an image, of which the detector sees 96


class Things:
    """``put`` has something in the working folder at a path that a page names; what takes long is made once."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def put(self, name: str) -> None:
        path = Path(name.rstrip("/"))
        for known in (path, *path.parents):
            if known.as_posix() in _MAKERS and not known.exists():
                needs, make = _MAKERS[known.as_posix()]
                for need in needs:
                    self.put(need)
                kept = self.store / known
                if not kept.exists():
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    make(kept)
                known.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if kept.is_dir() else shutil.copyfile)(kept, known)


def _images(count: int, folder: Path, ending: str = "jpg") -> None:
    for index in range(count):
        _image(folder / f"{index:03}.{ending}", index)


def _image(path: Path, index: int = 1) -> None:
    path.parent.mkdir(exist_ok=True)
    scene(index, split="val").image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(path)


def _labeled(path: Path, task: str = "detect") -> None:
    _condetr("data", "demo", path, "--train", 6, "--val", 3, "--task", task)
    if task == "detect":
        for file in path.rglob("*.json"):
            content = json.loads(file.read_text())
            for category in content["categories"]:
                category["name"] = CLASSES[int(category["name"])]
            file.write_text(json.dumps(content))


def _results(path: Path) -> None:
    """Of a detector that finds everything."""
    (labels,) = Path("labeled").rglob("*val*.json")
    found = [one | {"score": 0.9} for one in json.loads(labels.read_text())["annotations"]]
    path.write_text(json.dumps(found))


def _run(path: Path, *words: str) -> None:
    _condetr("train", *words, "--steps", 2, "--workers", 0, "--pretrain-backbone-steps", 0, "--output", path)


def _graph(path: Path) -> None:
    """Of the digit detector, with other classes; ``path`` is in a folder beside those of other tests."""
    exported = exported_once(path.parents[1], "digits", "onnx", condetr.load("condetr/digits").export)
    shutil.copytree(exported.folder, path)
    _rename_classes(path)


def _weights_of_the_authors(path: Path) -> None:
    from tests.unit.checkpoints.test_segmenters import with_keys_of

    torch.save({"model": with_keys_of(tiny_detector(), "original")}, path)


def _condetr(*words: object) -> None:
    assert run([*map(str, words), "--quiet"]) == 0


_Maker = tuple[tuple[str, ...], Callable[[Path], None]]  # what it needs in the working folder, and how it is made
_FOLDERS = ("holiday", "more", "rest", "more-images", "photos", "images", "aerial", "label-studio")
_MAKERS: dict[str, _Maker] = {
    **{name: ((), partial(_images, 3)) for name in _FOLDERS},
    "bucket": ((), partial(_images, 8)),
    "scans": ((), partial(_images, 2, ending="tif")),
    **dict.fromkeys(("street.jpg", "park.jpg", "a.jpg", "aerial.tif", "mosaic.tif"), ((), _image)),
    "scene.jpg": ((), lambda path: scene(1, split="val").image.save(path)),
    "list.csv": (("a.jpg",), lambda path: path.write_text("file\na.jpg\n")),
    **{name: ((), lambda path: make_video(path, frames=4)) for name in ("clip.mp4", "other.mkv")},
    **dict.fromkeys(("labeled", "aerial-labeled", "data", "DATA"), ((), _labeled)),
    "scenes": ((), partial(_labeled, task="panoptic")),
    "mine": (("labeled",), lambda path: _condetr("data", "convert", "labeled", path, "--to", "yolo")),
    "results.json": (("labeled",), _results),
    "runs/mine": (("labeled",), lambda path: _run(path, "labeled", "--model", HUB_MODEL)),
    "runs/scenes": (("scenes",), lambda path: _run(path, "scenes", "--recipe", "scenes", "--task", "panoptic")),
    "runs/tune/best.yaml": ((), lambda path: path.write_text("lr: 1.0e-4\n")),
    "runs/second": (("labeled",), lambda path: _run(path, "labeled", "--model", HUB_MODEL)),
    "mine-onnx": ((), _graph),
    "resnet18.pth": ((), lambda path: torch.save(resnet18().state_dict(), path)),
    "ConditionalDETR_r50dc5_epoch50.pth": ((), _weights_of_the_authors),
}


def _rename_classes(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["id2label"] = {number: CLASSES[int(name)] for number, name in config["id2label"].items()}
    config["label2id"] = {name: int(number) for number, name in config["id2label"].items()}
    (model / "config.json").write_text(json.dumps(config))


@contextmanager
def hub_in(folder: Path) -> Iterator[None]:
    """A cache of the hub in which the digit detector has the name of the COCO model: small, and nothing is fetched."""
    repository = folder / f"models--{HUB_MODEL.replace('/', '--')}"
    snapshot = repository / "snapshots" / _COMMIT
    shutil.copytree(bundled_models()["condetr/digits"], snapshot)
    _rename_classes(snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(_COMMIT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
        yield
