"""The model repository for Triton Inference Server."""

import re

import pytest

from condetr.core.errors import UsageError
from condetr.export.triton import config_of, write_repository

SIDES = {
    "inputs": {
        "pixels": {"dtype": "float32", "shape": ["batch", 3, "height", "width"]},
        "mask": {"dtype": "bool", "shape": ["batch", "height", "width"]},
    },
    "outputs": {
        "logits": {"dtype": "float32", "shape": ["batch", 12, 10]},
        "labels": {"dtype": "int64", "shape": ["batch", 7]},
    },
}
MASKS = {
    "inputs": {"chosen": {"dtype": "float32", "shape": ["objects", 32]}},
    "outputs": {"masks": {"dtype": "float32", "shape": ["objects", "rows_3", "columns_3"]}},
}


def values(text, side):
    found = re.findall(side + r' \[ \{ name: "(\w+)", data_type: (\w+), dims: \[ (.+?) \] \} \]', text)
    return {name: (kind, [int(length) for length in dims.split(", ")]) for name, kind, dims in found}


def test_batches_are_not_in_the_shapes():
    text = config_of("a", SIDES, 8)
    assert values(text, "input") == {"pixels": ("TYPE_FP32", [3, -1, -1]), "mask": ("TYPE_BOOL", [-1, -1])}
    assert values(text, "output") == {"logits": ("TYPE_FP32", [12, 10]), "labels": ("TYPE_INT64", [7])}
    assert "max_batch_size: 8" in text
    assert "dynamic_batching" in text
    alone = config_of("a", SIDES, 0)
    assert values(alone, "input")["mask"] == ("TYPE_BOOL", [-1, -1, -1])
    assert "dynamic_batching" not in alone


def test_triton_reads_it():
    """By the messages of Triton's own client."""
    config = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="needs tritonclient[grpc]")
    text_format = pytest.importorskip("google.protobuf.text_format")
    read = text_format.Parse(config_of("a-1", SIDES, 8), config.ModelConfig())
    assert (read.name, read.backend, read.max_batch_size) == ("a-1", "onnxruntime", 8)
    assert [(value.name, value.data_type, list(value.dims)) for value in read.input] == [
        ("pixels", config.TYPE_FP32, [3, -1, -1]),
        ("mask", config.TYPE_BOOL, [-1, -1]),
    ]
    assert [value.name for value in read.output] == ["logits", "labels"]
    assert read.HasField("dynamic_batching")


def test_a_segmenter_is_two_models(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "masks.onnx").write_bytes(b"masks")
    write_repository(tmp_path, {"dynamic": True, "masks": MASKS, **SIDES}, "my model")
    home = tmp_path / "triton"
    assert (home / "my-model/1/model.onnx").read_bytes() == b"graph"
    assert (home / "my-model-masks/1/model.onnx").read_bytes() == b"masks"
    text = (home / "my-model-masks/config.pbtxt").read_text()
    assert 'name: "my-model-masks"' in text
    assert values(text, "output") == {"masks": ("TYPE_FP32", [-1, -1, -1])}


@pytest.mark.slow
def test_the_config_has_what_the_graph_has(onnx):
    runtime = pytest.importorskip("onnxruntime")
    [home] = (onnx.folder / "triton").iterdir()
    text = (home / "config.pbtxt").read_text()
    session = runtime.InferenceSession(str(home / "1/model.onnx"))
    kinds = {"tensor(float)": "TYPE_FP32", "tensor(bool)": "TYPE_BOOL", "tensor(int64)": "TYPE_INT64"}
    for side, of_graph in (("input", session.get_inputs()), ("output", session.get_outputs())):
        shapes = {
            value.name: (kinds[value.type], [each if isinstance(each, int) else -1 for each in value.shape[1:]])
            for value in of_graph
        }
        assert values(text, side) == shapes


def test_only_onnx_graphs_are_for_triton(model, tmp_path):
    with pytest.raises(UsageError, match="is for onnx, not for torch-export"):
        model.export("torch-export", output=tmp_path / "out", triton=True)
