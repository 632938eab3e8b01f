"""The bundled detector as a graph: as good as the model, and int8 nearly so."""

import pytest

import condetr
from condetr.data.demo.scene_folder import write_scenes
from tests.unchecked import without_shape_checks


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "digits"
    write_scenes(folder, train=40, val=30)
    return folder


@pytest.fixture(autouse=True)
def _unchecked():
    with without_shape_checks():
        yield


def test_a_graph_has_the_ap_of_the_model(scenes, digits_as):
    model, done = condetr.load(), digits_as("onnx")
    assert done.record["verification"]["difference"] < 1e-4
    of_graph, of_model = (item.evaluate(scenes, batch=8) for item in (condetr.load(done.folder), model))
    assert of_model.ap > 0.6
    assert of_graph.ap == pytest.approx(of_model.ap, abs=1e-3)


@pytest.mark.parametrize(("form", "library"), [("openvino", "nncf"), ("onnx", "onnxruntime")])
def test_int8_finds_what_the_model_finds(scenes, tmp_path, form, library):
    pytest.importorskip(library)
    done = condetr.load().export(form, precision="int8", pictures=scenes, output=tmp_path / "int8")
    again = done.record["accuracy"]["found_again"]
    assert again["detections"] > 30
    assert again["share"] > 0.95
    fp32 = condetr.load().network
    assert sum(done.record["files"].values()) < 4 * sum(parameter.numel() for parameter in fp32.parameters())
    if form == "onnx":
        graph = pytest.importorskip("onnx").load(done.folder / "model.onnx").graph
        convolutions = [node for node in graph.node if node.op_type == "Conv"]
        dequantized = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
        assert len(convolutions) > 10
        assert all(set(node.input[:2]) <= dequantized for node in convolutions)
        assert not [node for node in graph.node if node.op_type == "BatchNormalization"]
