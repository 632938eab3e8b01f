"""Graphs of masks: of a whole batch at once, of any number of objects, in blocks, and predicting alone."""

import json
import shutil

import numpy as np
import pytest
import torch

import condetr
from condetr.core.errors import CheckpointError, GateError
from condetr.export.running import ExportedSegmenter
from condetr.model import mask_head
from tests.tiny import tiny_segmenter

pytestmark = pytest.mark.slow  # each format of a segmenter takes half a minute


@pytest.fixture(scope="module")
def segmenter():
    return tiny_segmenter()


@pytest.fixture(scope="module")
def model(segmenter_model):
    return segmenter_model


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def exported(request, segmenter_as):
    return segmenter_as(request.param)


@pytest.mark.parametrize("blocks", ["all at once", "one by one"])
def test_masks_are_those_of_the_network_at_any_size_batch_and_number(exported, segmenter, blocks, monkeypatch):
    graph = condetr.load(exported.folder).network
    for batch, height, width in ((1, 48, 64), (3, 33, 47), (2, 64, 96)):
        pixels, mask = torch.randn(batch, 3, height, width), torch.ones(batch, height, width, dtype=torch.bool)
        mask[-1, :, width // 2 :] = False
        chosen = [torch.randperm(20)[: 7 * image % 9] for image in range(1, batch)] + [torch.arange(20)]
        with torch.inference_mode():
            expected = segmenter.segment(segmenter.trace(pixels, mask), chosen)
            if blocks == "one by one":
                monkeypatch.setattr(mask_head, "BLOCK_SIZE", 1)
            original = graph.segment(graph.trace(pixels, mask), chosen)
            monkeypatch.undo()
        for theirs, ours in zip(original, expected, strict=True):
            torch.testing.assert_close(theirs, ours, atol=2e-4, rtol=0)  # logits of up to 6, 4e-5 apart


def test_of_no_query_there_is_no_mask(exported, segmenter):
    graph, pixels = condetr.load(exported.folder).network, torch.randn(2, 3, 40, 56)
    with torch.inference_mode():
        trace, none = segmenter.trace(pixels), [torch.arange(0)] * 2
        expected = segmenter.segment(trace, none)
    for theirs, ours in zip(graph.segment(graph.trace(pixels), none), expected, strict=True):
        assert theirs.shape == ours.shape
        assert len(theirs) == 0


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_an_exported_folder_segments_alone_and_as_the_model(exported, model, images, task, monkeypatch):
    def never(*args, **options):
        raise AssertionError("a network was built")

    monkeypatch.setattr("condetr.model.transformer.DetrTransformer.__init__", never)
    graph = condetr.load(exported.folder)
    assert graph.task == model.task == "panoptic"
    assert graph.checkpoint.stuff == (1,)
    options = {"task": task, "threshold": 0.3, "batch": 3, "mask_threshold": 0.4}
    for theirs, ours in zip(graph.predict(images, **options), model.predict(images, **options), strict=True):
        assert len(ours) > 0
        assert theirs.names == ours.names
        planes = [(result.masks, result.segments) for result in (theirs, ours)]
        for found, expected in zip(*planes, strict=True):
            assert (found is None) == (expected is None)
            if expected is not None:  # a pixel may lie on the threshold
                assert (found != expected).float().mean() < 1e-3


def test_masks_that_the_model_cuts_off_at_their_boxes_are_cut_off(exported, model, images, tmp_path):
    folder = shutil.copytree(exported.folder, tmp_path / "cut")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"masks_in_boxes": True}))
    options = {"task": "instance", "threshold": 0.0}
    [cut], [whole] = (condetr.load(path).predict(images[:1], **options) for path in (folder, exported.folder))
    y, x = torch.arange(cut.masks.shape[1])[:, None], torch.arange(cut.masks.shape[2])
    lost = 0
    for box, mask, before in zip(cut.boxes.tolist(), cut.masks, whole.masks, strict=True):
        near = (x >= box[0] - 16) & (x < box[2] + 16) & (y >= box[1] - 16) & (y < box[3] + 16)
        assert not (mask & ~near).any()
        lost += int((before & ~mask).sum())
    assert lost > 0


def test_what_both_graphs_take_and_give_is_reported(exported):
    record = json.loads((exported.folder / "export.json").read_text())
    assert record == exported.record
    assert all("masks" in case["difference"] for case in record["verification"]["cases"])
    assert record["verification"]["difference"] < 1e-4
    look, masks = record["outputs"], record["masks"]
    assert look["keys"] == {"dtype": "float32", "shape": ["batch", 8, "rows", "columns", 4]}
    assert masks["inputs"]["keys"] == {"dtype": "float32", "shape": [1, 8, "rows", "columns", 4]}
    assert masks["inputs"]["chosen"] == {"dtype": "float32", "shape": ["objects", 32]}
    assert masks["outputs"] == {"masks": {"dtype": "float32", "shape": ["objects", "rows_3", "columns_3"]}}


def test_free_axes_of_the_mask_graph_have_their_names(exported):
    if exported.record["format"] != "onnx":
        pytest.skip("OpenVINO has no names for axes")
    session = pytest.importorskip("onnxruntime").InferenceSession(str(exported.folder / "masks.onnx"))
    graph = exported.record["masks"]
    assert {value.name: value.shape for value in session.get_inputs()} == {
        name: value["shape"] for name, value in graph["inputs"].items()
    }
    assert session.get_outputs()[0].shape == ["objects", "rows_3", "columns_3"]


def test_masks_that_differ_are_not_written(model, images, tmp_path, monkeypatch):
    plain = ExportedSegmenter.segment

    def other(self, outputs, queries):
        masks = plain(self, outputs, queries)
        masks[-1][-1, 0, 0] = np.nan
        return masks

    monkeypatch.setattr(ExportedSegmenter, "segment", other)
    with pytest.raises(GateError, match="differs from the model by inf"):
        model.export("torch-export", output=tmp_path / "out", pictures=images, post_processing=5)
    assert list(tmp_path.iterdir()) == []


def test_one_size_and_less_precision(model, images, tmp_path):
    done = model.export(
        "torch-export",
        output=tmp_path / "out",
        pictures=images,
        precision="fp16",
        dynamic=False,
        image_size=(64, 80),
        post_processing=5,
    )
    assert done.record["masks"]["inputs"]["chosen"]["shape"] == ["objects", 32]
    assert done.record["masks"]["outputs"]["masks"]["shape"] == ["objects", 16, 20]
    assert 1e-6 < max(case["difference"]["masks"] for case in done.record["verification"]["cases"]) < 0.02


def test_without_masks_it_is_a_detector(model, images, tmp_path):
    done = model.export("torch-export", output=tmp_path / "out", pictures=images, masks=False)
    assert done.record["masks"] is None
    assert not list(done.folder.glob("masks.*"))
    assert done.record["outputs"].keys() == {"logits", "boxes"}


@pytest.mark.parametrize("damage", ["missing", "cut", "of something else"])
def test_damage_to_the_mask_graph_is_named(exported, damage, tmp_path):
    folder = shutil.copytree(exported.folder, tmp_path / "copy")
    form = exported.record["format"]
    file = folder / {"onnx": "masks.onnx", "openvino": "masks.xml"}[form]
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-50])
    else:
        record = json.loads((folder / "export.json").read_text())
        for name in [name for name in record["files"] if name.startswith("masks")]:
            other = name.replace("masks", "model")
            shutil.copy(folder / other, folder / name)
            record["files"][name] = record["files"][other]
        (folder / "export.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError) as caught:
        condetr.load(folder)
    assert str(file) in caught.value.source
