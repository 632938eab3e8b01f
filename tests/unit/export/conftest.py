import numpy as np
import pytest
from PIL import Image

import condetr
from condetr.checkpoints.saving import save
from tests.tiny import LABELS, PREPROCESSING, tiny_detector
from tests.unchecked import without_shape_checks


@pytest.fixture(scope="session")
def detector():
    return tiny_detector()


@pytest.fixture(scope="session")
def model(detector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    save(folder, detector, LABELS, source_ids=(7, 5, 3), preprocessing=PREPROCESSING.to_dict())
    return condetr.load(folder)


@pytest.fixture(scope="session")
def images():
    """RGB images in several sizes and proportions."""
    rng = np.random.default_rng(0)
    sizes = ((40, 30), (64, 48), (33, 57), (50, 50), (90, 41))
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


@pytest.fixture(scope="session")
def onnx(model, images, tmp_path_factory):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    with without_shape_checks():
        return model.export("onnx", output=tmp_path_factory.mktemp("onnx") / "out", pictures=images, post_processing=7)


@pytest.fixture(scope="session")
def openvino(model, images, tmp_path_factory):
    pytest.importorskip("openvino")
    with without_shape_checks():
        return model.export("openvino", output=tmp_path_factory.mktemp("openvino") / "out", pictures=images)


@pytest.fixture(autouse=True)
def _unchecked():
    with without_shape_checks():
        yield
