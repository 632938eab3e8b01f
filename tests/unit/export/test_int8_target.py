"""Weights of 7 bits for any processor, of 8 for those with VNNI."""

import json
import logging
import shutil

import numpy as np
import pytest

import condetr
from condetr.core.errors import UsageError
from condetr.export.int8 import target as int8_target
from condetr.export.int8.calibration import quantize_onnx, quantized
from condetr.export.int8.target import BITS, target_here, warn_of_overflow
from tests.tiny import PREPROCESSING

LARGEST = {7: 64, 8: 127}


def on_a_processor_with(monkeypatch, *units):
    monkeypatch.setattr(int8_target, "vector_units", lambda: units)


@pytest.mark.parametrize(
    ("units", "target", "said"),
    [
        (("AVX2", "AVX512", "AVX512-VNNI", "AMX"), "vnni", "this one has AVX512-VNNI and AMX"),
        (("AVX2", "AVX-VNNI"), "vnni", "this one has AVX-VNNI"),
        (("NEON", "NEON-dotprod"), "vnni", "this one has NEON-dotprod"),
        (("AVX2", "AVX512"), "any", "for any processor: this one has AVX2 and AVX512"),
        ((), "any", "unknown vector units"),
    ],
)
def test_auto_asks_the_processor(monkeypatch, caplog, units, target, said):
    on_a_processor_with(monkeypatch, *units)
    with caplog.at_level(logging.INFO, "condetr"):
        assert target_here("auto") == target
    assert said in caplog.text
    assert (target_here("any"), target_here("vnni")) == ("any", "vnni")


@pytest.mark.parametrize(
    ("units", "target", "warned"),
    [
        (("AVX2",), "vnni", True),
        (("AVX2",), "any", False),
        (("AVX2",), None, False),  # of graphs in fp32, and of graphs that are older than targets
        (("AVX2", "AVX-VNNI"), "vnni", False),
        ((), "vnni", False),
    ],
)
def test_a_graph_that_overflows_here_is_a_warning(monkeypatch, caplog, units, target, warned):
    on_a_processor_with(monkeypatch, *units)
    warn_of_overflow(target)
    assert ("AP 76.20 in place of 76.60" in caplog.text) == warned


@pytest.mark.slow
def test_an_opened_folder_warns(onnx, tmp_path, monkeypatch, caplog):
    folder = shutil.copytree(onnx.folder, tmp_path / "copy")
    record = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps(record | {"precision": "int8", "target": "vnni"}))
    on_a_processor_with(monkeypatch, "AVX2")
    condetr.load(folder)
    assert f"{folder}: int8 weights of 8 bits overflow on this processor" in caplog.text


@pytest.mark.parametrize("bits", BITS.values())
def test_bits_of_the_weights_for_onnxruntime(tmp_path, images, bits):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (tmp_path / "plain.onnx").write_bytes(_convolution(onnx).SerializeToString())
    quantize_onnx(tmp_path / "plain.onnx", tmp_path / "int8.onnx", (), images[:2], PREPROCESSING, bits)
    graph = onnx.load(tmp_path / "int8.onnx").graph
    [weight] = [onnx.numpy_helper.to_array(value) for value in graph.initializer if value.name == "weight_quantized"]
    assert weight.dtype == np.int8
    assert np.abs(weight.astype(int)).max() == LARGEST[bits]


@pytest.mark.parametrize("activation", ["Relu", "Clip"])
def test_all_bits_are_for_what_an_activation_lets_through(tmp_path, images, activation):
    """Half of them are for negative numbers where a convolution is rounded before its activation."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (tmp_path / "plain.onnx").write_bytes(_convolution(onnx, activation).SerializeToString())
    quantize_onnx(tmp_path / "plain.onnx", tmp_path / "int8.onnx", (), images[:2], PREPROCESSING, 8)
    graph = onnx.load(tmp_path / "int8.onnx").graph
    values = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    assert "convolved_scale" not in values
    assert values["features_zero_point"] == 0, "the number that stands for 0"
    assert [node.output[0] for node in graph.node if node.op_type == activation] == ["bright"], "of another map"


@pytest.mark.slow
@pytest.mark.parametrize("bits", BITS.values())
def test_bits_of_the_weights_for_openvino(tmp_path, images, bits):
    openvino = pytest.importorskip("openvino")
    logger, handler = pytest.importorskip("nncf").nncf_logger, logging.NullHandler()
    logger.addHandler(handler)
    before = logger.level
    onnx = pytest.importorskip("onnx")
    (tmp_path / "plain.onnx").write_bytes(_convolution(onnx).SerializeToString())
    model = quantized(openvino.convert_model(tmp_path / "plain.onnx"), (), images[:2], PREPROCESSING, bits)
    logger.removeHandler(handler)
    assert (logger.level, handler.level) == (before, logging.NOTSET), "they may be of the program around"
    weights = [
        node.get_data()
        for node in model.get_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == openvino.Type.i8
    ]
    [weight] = weights
    assert abs(np.abs(weight.astype(int)).max() - LARGEST[bits]) <= 1


def _convolution(onnx, activation=None):
    """A graph with the inputs of ours, and one convolution; ``activation`` follows it, and is on the pixels, too."""
    helper, weight = onnx.helper, np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32)
    floats, bools = onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL
    inputs = [
        helper.make_tensor_value_info("pixels", floats, ["batch", 3, "height", "width"]),
        helper.make_tensor_value_info("mask", bools, ["batch", "height", "width"]),
    ]
    outputs = [
        helper.make_tensor_value_info("features", floats, None),
        helper.make_tensor_value_info("hidden", bools, None),
    ]
    convolved = "features" if activation is None else "convolved"
    nodes = [
        helper.make_node("Conv", ["pixels", "weight"], [convolved], name="convolution"),
        helper.make_node("Not", ["mask"], ["hidden"]),
    ]
    constants = [onnx.numpy_helper.from_array(weight, "weight")]
    if activation is not None:
        bounds = ["low", "high"] if activation == "Clip" else []
        constants += [onnx.numpy_helper.from_array(np.float32(6 * (name == "high")), name) for name in bounds]
        outputs.append(helper.make_tensor_value_info("bright", floats, None))
        for number, (x, y) in enumerate({"convolved": "features", "pixels": "bright"}.items()):
            nodes.append(helper.make_node(activation, [x, *bounds], [y], name=f"activation_{number}"))
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    return model


def test_targets_are_for_int8(model):
    with pytest.raises(UsageError, match="target: is for int8"):
        model.export("onnx", target="vnni")
    with pytest.raises(UsageError, match="is 'avx512', expected any, vnni or auto"):
        model.export("onnx", precision="int8", pictures="images", target="avx512")
