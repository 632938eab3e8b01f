"""TensorRT engines, where neither TensorRT nor a GPU is: what is refused, and every call, by a stand-in."""

import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import condetr
from condetr.core.errors import CheckpointError, GateError, ModelError, UsageError
from condetr.export import build, tensorrt_engine
from condetr.export.tensorrt_engine import profile_of, write_engine
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Exactly
from condetr.workflows import export
from tests.unit.export import fake_tensorrt


@pytest.fixture
def tensorrt(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt.as_module())
    return fake_tensorrt


@pytest.fixture
def gpu(monkeypatch):
    for module in (tensorrt_engine, build, export):  # torch itself asks is_available, too
        monkeypatch.setattr(module, "gpu_name", lambda: "a GPU")
    monkeypatch.setattr(
        torch.cuda, "Stream", lambda: SimpleNamespace(cuda_stream=0, synchronize=lambda: None), raising=False
    )
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(tensorrt_engine, "_on_gpu", torch.from_numpy)


def test_without_a_gpu_there_is_no_engine(model, tensorrt, monkeypatch, tmp_path):
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        UsageError, match="format: TensorRT builds and runs engines on an NVIDIA GPU, and PyTorch finds"
    ):
        model.export("tensorrt", output=tmp_path / "out")


def test_masks_and_int8_are_refused(segmenter_model, model, tensorrt, gpu, tmp_path):
    pytest.importorskip("onnxscript")
    with pytest.raises(UsageError, match="masks: there is no graph of masks for tensorrt"):
        segmenter_model.export("tensorrt", output=tmp_path / "out")
    with pytest.raises(UsageError, match="int8 is supported for onnx and openvino, not for tensorrt"):
        model.export("tensorrt", precision="int8", pictures="images", output=tmp_path / "out")


def test_an_engine_is_for_all_sizes_of_the_preprocessing():
    """That of the paper: 800 pixels the shorter side, 1333 at most the longer."""
    assert profile_of(Preprocessing(), 8) == {
        "pixels": ((1, 3, 16, 16), (1, 3, 800, 1066), (8, 3, 1333, 1333)),
        "mask": ((1, 16, 16), (1, 800, 1066), (8, 1333, 1333)),
    }
    padded = replace(Preprocessing(), pad_size=Exactly(1344, 1344))
    assert profile_of(padded, 2)["mask"] == ((1, 16, 16), (1, 1344, 1344), (2, 1344, 1344))


def test_a_file_that_is_no_graph(tensorrt, tmp_path):
    pytest.importorskip("onnx")
    (tmp_path / "model.onnx").write_bytes(b"\x07" * 50)
    with pytest.raises(ModelError, match="TensorRT cannot read the graph: no ONNX"):
        write_engine(tmp_path / "model.onnx", tmp_path / "model.plan", None)


@pytest.mark.slow
def test_an_engine_of_our_graph_is_opened_and_run(onnx, detector, tensorrt, gpu, tmp_path):
    """The ONNX graph is what TensorRT would get, and the arrays go through memory by address, as on a GPU."""
    profile = {
        "pixels": ((1, 3, 16, 16), (1, 3, 48, 64), (3, 3, 96, 96)),
        "mask": ((1, 16, 16), (1, 48, 64), (3, 96, 96)),
    }
    write_engine(onnx.folder / "model.onnx", tmp_path / "model.plan", profile)
    _, config = tensorrt.Builder.built
    assert config.flags == set(), "products of fp32 stay in fp32"
    run = tensorrt_engine.open_engine(tmp_path / "model.plan").run
    for batch, height, width in ((1, 48, 64), (3, 33, 47)):
        pixels, mask = torch.randn(batch, 3, height, width), torch.ones(batch, height, width, dtype=torch.bool)
        mask[-1, :, width // 2 :] = False
        answer = run({"pixels": pixels.numpy(), "mask": mask.numpy()})
        with torch.inference_mode():
            logits, boxes = detector(pixels, mask)
        torch.testing.assert_close(torch.from_numpy(answer["logits"]), logits, atol=1e-4, rtol=0)
        torch.testing.assert_close(torch.from_numpy(answer["boxes"]), boxes, atol=1e-4, rtol=0)
        assert answer["labels"].shape == (batch, 7)
    with pytest.raises(ValueError, match="the engine takes pixels of up to 3x3x96x96"):
        run({"pixels": torch.zeros(4, 3, 48, 64).numpy(), "mask": torch.ones(4, 48, 64).bool().numpy()})


@pytest.mark.slow
def test_an_exported_engine_predicts_as_the_model(model, images, tensorrt, gpu, tmp_path):
    """In fp16, which the graph has to store: the stages of the backbone are in fp16, what rounding harms is not."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    done = model.export("tensorrt", precision="fp16", pictures=images, output=tmp_path / "out", max_batch=4)
    assert done.record["files"].keys() == {"model.plan"}
    assert done.record["gpu"] == "a GPU"
    assert done.record["versions"]["tensorrt"] == "11.4.0.106"
    assert 1e-6 < done.record["verification"]["difference"] < 0.02
    network, _ = tensorrt.Builder.built
    graph = onnx.load_from_string(network.graph).graph
    kinds = {value.name: value.data_type for value in graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds.values()
    engine = condetr.load(done.folder)
    for theirs, ours in zip(engine.predict(images, threshold=0.3), model.predict(images, threshold=0.3), strict=True):
        assert theirs.names == ours.names
    with pytest.raises(UsageError, match="exported graphs run on the CPU, and TensorRT engines on their GPU"):
        condetr.load(done.folder, device="cuda")
    with pytest.raises(ModelError, match="the engine takes pixels of up to 4x"):
        engine.network(torch.zeros(5, 3, 48, 64))
    with pytest.raises(GateError):
        model.export("tensorrt", precision="fp16", pictures=images, output=tmp_path / "other", tolerance=1e-9)
    folder = shutil.copytree(done.folder, tmp_path / "copy")
    (folder / "model.plan").write_bytes(b"\x07" * (folder / "model.plan").stat().st_size)
    with pytest.raises(CheckpointError, match="an engine is for the GPU and the TensorRT that built it"):
        condetr.load(folder)
