"""ExecuTorch programs; without the package, which is in no other extra, only what is refused."""

import shutil

import pytest
import torch

import condetr
from condetr.core.errors import CheckpointError, UsageError
from condetr.export import graph_formats
from tests.exports import exported_once

SIZE = (64, 80)


@pytest.fixture
def without_libraries(monkeypatch):
    monkeypatch.setattr(graph_formats, "needed", lambda library: None)


def test_what_such_a_program_cannot_be(model, segmenter_model, tmp_path, without_libraries):
    with pytest.raises(UsageError, match="dynamic: graphs for executorch have one size"):
        model.export("executorch", output=tmp_path / "out")
    with pytest.raises(UsageError, match="int8 is supported for onnx and openvino, not for executorch"):
        model.export("executorch", dynamic=False, precision="int8", pictures="images", output=tmp_path / "out")
    with pytest.raises(UsageError, match="masks: there is no graph of masks for executorch"):
        segmenter_model.export("executorch", dynamic=False, output=tmp_path / "out")


@pytest.fixture(scope="module")
def exported(model, images, tmp_path_factory):
    def export(form, output):
        return model.export(form, output=output, pictures=images, dynamic=False, image_size=SIZE, post_processing=5)

    return exported_once(tmp_path_factory.getbasetemp(), "detector", "executorch", export)


@pytest.mark.slow
def test_it_predicts_alone_and_as_the_model(exported, model, images):
    """1e-4: sums are added up in another order; what is measured is near 1e-6."""
    assert exported.record["verification"]["difference"] < 1e-4
    assert exported.record["versions"]["executorch"]
    graph, pixels = condetr.load(exported.folder), torch.randn(3, 3, *SIZE)
    with torch.inference_mode():
        for theirs, ours in zip(graph.network(pixels), model.network(pixels), strict=True):
            torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)
    assert [len(found) for found in graph.predict(images, threshold=0, top_k=3)] == [3] * len(images)
    with pytest.raises(UsageError, match="exported for 64x80 only"):
        graph.network(torch.zeros(1, 3, 64, 64))


@pytest.mark.slow
def test_a_damaged_program_is_named(exported, tmp_path):
    folder = shutil.copytree(exported.folder, tmp_path / "copy")
    file = folder / "model.pte"
    file.write_bytes(b"\x07" * file.stat().st_size)
    with pytest.raises(CheckpointError, match=r"model\.pte: cannot be read"):
        condetr.load(folder)
