"""Feeds hostile and unusual files through the public interface, and shows what came out.

The corpus and its judge lie outside this project; they call ``setup``, ``N_A`` and ``run``. Images go through
``condetr.load(...).predict``, paths and settings through the command line, as a user would do.
"""

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import condetr
from condetr.cli.main import run as command_line
from condetr.data.demo.scene_folder import write_scenes
from tests.badinputs.annotations import is_annotation_case, observe

_USES = ("predict", "processor(array)", "load", "load+predict", "convert", "load_processor", "config", "resume")
_corpus: Path
_model: Any


class Refused(Exception):  # noqa: N818  what the command line said, as an exception for the judge
    pass


def setup(corpus_root: Path) -> None:
    global _corpus, _model
    torch.set_num_threads(1)
    os.environ["HF_HUB_OFFLINE"] = "1"
    _corpus = Path(corpus_root)
    _model = condetr.load(_good(), device="cpu")
    _processor()(np.zeros((8, 8, 3), np.uint8), return_tensors="pt")


def N_A(case: dict[str, Any]) -> bool:  # noqa: N802  the judge's name
    """Root can read every file."""
    if case["slug"] == "unreadable" and os.geteuid() == 0:
        return True
    return not is_annotation_case(case) and case["use"] not in _USES


def run(case: dict[str, Any], path: Path, _: Path) -> dict[str, Any]:  # noqa: PLR0911  one per way in
    if is_annotation_case(case):
        return observe(case, path)
    match case["group"], case["use"]:
        case "image", "predict":
            return _image(path)
        case "array", "processor(array)":
            return _array(path)
        case "path", "predict":
            return _command(path)
        case _, "load":
            return _loaded(path)
        case _, "load+predict":
            return {"finite": _is_finite(condetr.load(path, device="cpu").predict(_some_image()))}
        case _, "convert":
            return _converted(path)
        case _, "load_processor":
            return _array(_reference(), condetr.AutoImageProcessor.from_pretrained(path))
        case _, "config":
            return _settings(path)
        case _, "resume":
            return _resumed(path)
    raise NotImplementedError(case["use"])


def _good() -> Path:
    return _corpus / "public/checkpoints/good_safetensors"


def _some_image() -> Path:
    return _corpus / "public/images/png_rgba.png"


def _reference() -> Path:
    """Of all lists; another list than the public one need not hold it."""
    return _corpus / "public/arrays/u8_hwc.npy"


def _processor() -> Any:
    return condetr.ConditionalDetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})


def _is_finite(found: condetr.Detections) -> bool:
    return bool(found.boxes.isfinite().all() and found.scores.isfinite().all())


def _first_page(path: Path, threshold: float) -> condetr.Detections:
    found = _model.predict(path, threshold=threshold)
    return found[0] if isinstance(found, list) else found


def _image(path: Path) -> dict[str, Any]:
    found, unpainted = _first_page(path, threshold=0.0), _first_page(path, threshold=1.0).draw()
    return {
        "size": list(found.size),
        "rgb": np.asarray(unpainted),
        "results": 1,
        "finite": _is_finite(found),
        "min_side": min(_model.preprocessing.fit(found.size)),
    }


def _array(path: Path, processor: Any = None) -> dict[str, Any]:
    """One image, or a batch, each of which is compared with the reference."""
    processor = _processor() if processor is None else processor
    reference = processor(np.load(_reference()), return_tensors="pt")["pixel_values"]
    out = processor(np.load(path, allow_pickle=False), return_tensors="pt")["pixel_values"]
    alike = out.shape[1:] == reference.shape[1:]
    difference = float((out - reference).abs().max()) if alike else float("inf")
    finite = bool(out.isfinite().all())
    return {"batch": len(out), "channels": out.shape[1], "finite": finite, "diff": difference, "out": out[0].numpy()}


def _command(path: Path) -> dict[str, Any]:
    """Through ``condetr predict``; what counts are the files that it leaves."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        words = ("--model", _good(), "--output", output, "--save", "images,json", "--device", "cpu")
        message = _said_by("predict", path, *words)
        images, results = (list((output / kind).rglob("*.*")) for kind in ("images", "json"))
    return {"results": min(len(images), len(results)), "report": message}


def _loaded(path: Path) -> dict[str, Any]:
    model = condetr.load(path, device="cpu")
    mine, good = model.network.state_dict(), _model.network.state_dict()
    same = mine.keys() == good.keys() and all(torch.equal(mine[name], good[name]) for name in good)
    return {"num_labels": len(model.names), "same_weights": same, "report": " ".join(model.info()["notes"])}


def _converted(path: Path) -> dict[str, Any]:
    weights = [file for file in path.iterdir() if file.suffix != ".json"] if path.is_dir() else [path]
    source = weights[0] if len(weights) == 1 and not (path / "config.json").exists() else path
    with tempfile.TemporaryDirectory() as folder:
        message = _said_by("convert", source, Path(folder) / "out")
        return _loaded(Path(folder) / "out") | {"report": message}


def _settings(path: Path) -> dict[str, Any]:
    file = path if path.is_file() else next(path.glob("*.y*ml"))
    return {"report": _said_by("predict", _some_image(), "--model", _good(), "--config", file, "--json")}


def _resumed(path: Path) -> dict[str, Any]:
    """As the folder of a run that is to go on, and as the newest checkpoint of one."""
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "data", Path(folder) / "run"
        write_scenes(data, train=2, val=1)
        shutil.copytree(path, run / "checkpoints/step-1")
        words = ("train", data, "--model", _good(), "--device", "cpu", "--epochs", 1, "--workers", 0, "--resume")
        with pytest.raises(Refused) as inside:  # it is the only checkpoint
            _said_by(*words, "--output", run)
        inside = str(inside.value)
        assert "step-1 is skipped" in inside, inside
        return {"report": _said_by(*words, "--output", path)}


def _said_by(*words: object) -> str:
    """What a command said on stderr, when it did all or some of its work.

    Raises:
        Refused: it did none.
    """
    with contextlib.redirect_stderr(io.StringIO()) as message, contextlib.redirect_stdout(io.StringIO()):
        status = command_line([str(word) for word in words])
    if status not in (0, 4):
        raise Refused(f"exit status {status}: {message.getvalue()}")
    return message.getvalue()
