from functools import partial

import pytest

import condetr
from condetr.checkpoints.saving import save
from tests.exports import exported_once, noise_images
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
    return noise_images()


@pytest.fixture(scope="session")
def onnx(model, images, tmp_path_factory):
    export = partial(model.export, pictures=images, post_processing=7, triton=True)
    return exported_once(tmp_path_factory.getbasetemp(), "detector", "onnx", export)


@pytest.fixture(scope="session")
def openvino(model, images, tmp_path_factory):
    export = partial(model.export, pictures=images)
    return exported_once(tmp_path_factory.getbasetemp(), "detector", "openvino", export)


@pytest.fixture(autouse=True)
def _unchecked():
    with without_shape_checks():
        yield
