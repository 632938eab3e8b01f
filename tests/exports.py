"""Graphs that several tests look at: each is exported once in a run of the tests, whichever process wants it first."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from condetr.workflows.export import Exported
from tests.unchecked import without_shape_checks

NEEDED = {
    "onnx": ("onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
    "torch-export": (),
    "executorch": ("executorch",),
}


def noise_images() -> list[Image.Image]:
    """RGB images in several sizes and proportions."""
    rng = np.random.default_rng(0)
    sizes = ((40, 30), (64, 48), (33, 57), (50, 50), (90, 41))
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


def exported_once(base: Path, name: str, form: str, export: Callable[..., Exported]) -> Exported:
    """What ``export(form, output=...)`` gave, now or in another process; nobody may change the folder.

    Args:
        base: the temporary folder of this process, as ``tmp_path_factory.getbasetemp()``.
    """
    for library in NEEDED[form]:
        pytest.importorskip(library)
    shared = base.parent if base.name.startswith("popen-") else base  # pytest-xdist's workers have neighbors
    folder = shared / "exports" / name / form
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{form}.lock"):
        if not folder.exists():
            with without_shape_checks():
                export(form, output=folder)
    return Exported(folder, json.loads((folder / "export.json").read_text()))
