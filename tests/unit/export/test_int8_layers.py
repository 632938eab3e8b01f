"""Which layers of a graph compute in 8 bits, and which products are not in a graph at all."""

import pytest
import torch

from condetr.export.build import GraphKind, build
from condetr.export.graph import DetectionGraph
from condetr.export.tracing import traced_detection
from condetr.speed.decoder_constants import precompute_decoder
from tests.tiny import PREPROCESSING

POSITIONS = {"spatial_query", "spatial_key", "spatial_scale"}


def linear_layers(traced):
    """Of the program: path by name of the node."""
    target = torch.ops.aten.linear.default
    nodes = [node for node in traced.program.graph.nodes if node.target is target]
    return {node.name: list(node.meta["nn_module_stack"].values())[-1][0] for node in nodes}


@pytest.fixture(scope="module")
def traced(detector):
    return traced_detection(DetectionGraph(precompute_decoder(detector).network).eval(), 3)


def test_what_computes_positions_and_the_heads_keep_their_precision(traced):
    layers = linear_layers(traced)
    chosen = {layers[name] for name in traced.products()}
    assert any(".encoder." in layer for layer in chosen)
    assert any(".decoder." in layer and layer.endswith("content_query") for layer in chosen)
    assert any(layer.endswith("feedforward.expand") for layer in chosen)
    left = set(layers.values()) - chosen
    assert {part for layer in left for part in layer.split(".")} >= POSITIONS | {"head"}
    assert all(".head." in layer or POSITIONS & set(layer.split(".")) for layer in left)


@pytest.mark.slow
@pytest.mark.parametrize("bits", ["any", "vnni"])
def test_layers_of_an_onnx_graph(traced, detector, images, tmp_path, bits):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    kind = GraphKind(form="onnx", precision="int8", target=bits)
    build(detector, kind, tmp_path, colors=3, preprocessing=PREPROCESSING, calibration=images[:2])
    nodes = onnx.load(tmp_path / "model.onnx").graph.node
    dequantized = {name for node in nodes if node.op_type == "DequantizeLinear" for name in node.output}
    products = {
        node.name.partition("/")[0] for node in nodes if node.op_type == "MatMul" and node.input[1] in dequantized
    }
    assert products == traced.products()
    assert all(set(node.input[:2]) <= dequantized for node in nodes if node.op_type == "Conv")


@pytest.mark.slow
def test_layers_of_an_openvino_graph(traced, detector, images, tmp_path):
    openvino = pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    kind = GraphKind(form="openvino", precision="int8")
    build(detector, kind, tmp_path, colors=3, preprocessing=PREPROCESSING, calibration=images[:2])
    found = set()
    for node in openvino.Core().read_model(tmp_path / "model.xml").get_ops():
        sources = [value.get_source_output().get_node().get_type_name() for value in node.inputs()]
        if node.get_type_name() == "MatMul" and "FakeQuantize" in sources:
            found.add(node.get_friendly_name().partition("/")[0])
    assert found == traced.products()


def test_what_does_not_depend_on_the_image_is_not_computed(traced):
    layers = set(linear_layers(traced).values())
    first = {layer.rpartition(".")[2] for layer in layers if ".decoder.first." in layer}
    assert first == {"spatial_key", "content_key", "value", "output", "expand", "contract"}
    assert not any("reference_points" in layer for layer in layers)
