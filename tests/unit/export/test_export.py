import json
import shutil

import pytest
import torch

import condetr
from condetr.core.errors import CheckpointError, GateError, MissingExtraError, StorageError, UsageError
from condetr.export import extras
from condetr.export.running import ExportedNetwork, open_network


@pytest.fixture(params=[pytest.param(form, marks=pytest.mark.slow) for form in ("onnx", "openvino")])
def exported(request):
    return request.getfixturevalue(request.param)


def test_a_graph_answers_as_the_model_does_at_any_size_and_batch(exported, detector):
    """1e-4: sums are added up in another order; what is measured is near 1e-6."""
    graph = condetr.load(exported.folder).network
    for batch, height, width in ((1, 48, 64), (3, 33, 47), (2, 64, 96), (1, 95, 40)):
        pixels, mask = torch.randn(batch, 3, height, width), torch.ones(batch, height, width, dtype=torch.bool)
        with torch.inference_mode():
            for theirs, ours in zip(graph(pixels), detector(pixels), strict=True):
                torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)
            mask[-1, :, width // 2 :] = False
            mask[0, height // 3 :] = False
            for theirs, ours in zip(graph(pixels, mask), detector(pixels, mask), strict=True):
                torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_padding_that_begins_at_the_corner_of_a_cell(exported, detector):
    """Runtimes divide sizes the other way around, and rounded such corners down, into the image."""
    graph = condetr.load(exported.folder).network
    pixels = torch.randn(1, 3, 28, 42)
    for row in range(7, 28, 7):
        for column in range(7, 42, 7):
            mask = torch.zeros(1, 28, 42, dtype=torch.bool)
            mask[0, :row, :column] = True
            for theirs, ours in zip(graph(pixels, mask), detector(pixels, mask), strict=True):
                torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)


def test_an_exported_folder_predicts_alone_and_as_the_model(exported, model, images, monkeypatch):
    monkeypatch.setattr("condetr.model.detector.ConditionalDetr.__init__", _never)
    graph = condetr.load(exported.folder)
    assert graph.names == model.names
    assert graph.checkpoint.source_ids == (7, 5, 3)
    assert graph.preprocessing == model.preprocessing
    options = {"threshold": 0.3, "top_k": 5, "batch": 3, "classes": ["dog", "bird"]}
    for theirs, ours in zip(graph.predict(images, **options), model.predict(images, **options), strict=True):
        assert len(ours) > 0
        assert theirs.names == ours.names
        assert torch.equal(theirs.labels, ours.labels)
        torch.testing.assert_close(theirs.boxes, ours.boxes, atol=1e-2, rtol=0)
        torch.testing.assert_close(theirs.scores, ours.scores, atol=1e-4, rtol=0)


def _never(*args, **options):
    raise AssertionError("a network was built")


def test_what_was_compared_is_reported(exported):
    record = json.loads((exported.folder / "export.json").read_text())
    assert record == exported.record
    verified = record["verification"]
    assert verified["difference"] < verified["tolerance"] == 1e-4
    assert [(case["batch"], case["padded"]) for case in verified["cases"]] == [(1, False), (2, False), (3, True)]
    assert len({tuple(case["size"]) for case in verified["cases"]}) == 3
    assert record["inputs"]["pixels"] == {"dtype": "float32", "shape": ["batch", 3, "height", "width"]}
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0]


@pytest.mark.slow
def test_free_axes_have_names(onnx):
    session = pytest.importorskip("onnxruntime").InferenceSession(str(onnx.folder / "model.onnx"))
    assert [value.shape for value in session.get_inputs()] == [
        ["batch", 3, "height", "width"],
        ["batch", "height", "width"],
    ]


@pytest.mark.slow
def test_no_file_of_this_machine_is_named(onnx):
    content = (onnx.folder / "model.onnx").read_bytes()
    assert b"stages.0" in content
    for word in (b"stack_trace", b".py", b"/src/"):
        assert word not in content


@pytest.mark.slow
def test_post_processing_inside_gives_what_ours_gives(onnx, detector):
    from condetr.images.scoring import best_pairs

    network = open_network("onnx", onnx.folder, 1, masks=False, fixed=None)
    pixels, mask = torch.randn(2, 3, 48, 64), torch.ones(2, 48, 64, dtype=torch.bool)
    with torch.inference_mode():
        scores, labels, boxes, _ = best_pairs(*detector(pixels, mask), 7)
    answer = network.run(pixels, mask)
    assert answer["labels"].shape == (2, 7)
    assert (answer["labels"] == labels.numpy()).all()
    torch.testing.assert_close(torch.from_numpy(answer["scores"]), scores, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.from_numpy(answer["boxes_xyxy"]), boxes, atol=1e-4, rtol=0)


def test_what_needs_weights_is_refused(exported):
    graph = condetr.load(exported.folder)
    for method in (graph.train, graph.export, graph.save_pretrained, graph.push_to_hub):
        with pytest.raises(UsageError, match="needs the model that it was exported from"):
            method("somewhere")
    with pytest.raises(UsageError, match="keeps its head"):
        condetr.load(exported.folder, classes=["cat"])
    with pytest.raises(UsageError, match="on the CPU"):
        condetr.load(exported.folder, device="cuda")


def test_a_graph_tells_about_itself(exported, model):
    info, of_model = condetr.load(exported.folder).info(), model.info()
    assert info["backend"] == exported.record["format"]
    for name in ("parameters", "flops", "classes", "architecture"):
        assert info[name] == of_model[name]


def test_another_backend_than_it_was_exported_for(exported, model):
    other = {"onnx": "openvino", "openvino": "onnx"}[exported.record["format"]]
    assert condetr.load(exported.folder, backend=exported.record["format"]).backend == exported.record["format"]
    with pytest.raises(UsageError, match=f"not for {other}"):
        condetr.load(exported.folder, backend=other)
    with pytest.raises(UsageError, match=f"condetr export --model .* --format {other}"):
        condetr.load(model.checkpoint.provenance.path, backend=other)
    assert condetr.load(model.checkpoint.provenance.path, backend="torch").backend == "torch"


@pytest.mark.parametrize("damage", ["cut", "other bytes", "missing", "record", "layout", "format", "files", "labels"])
def test_damage_is_named(exported, damage, tmp_path):
    folder = shutil.copytree(exported.folder, tmp_path / "copy")
    form = exported.record["format"]
    graph = folder / {"onnx": "model.onnx", "openvino": "model.xml"}[form]
    record = folder / "export.json"
    report = json.loads(record.read_text())
    if damage == "cut":
        graph.write_bytes(graph.read_bytes()[:-100])
    elif damage == "other bytes":
        graph.write_bytes(b"\x07" * graph.stat().st_size)
    elif damage == "missing":
        graph.unlink()
    elif damage == "record":
        record.write_text("{")
    elif damage == "labels":
        config = json.loads((folder / "config.json").read_text())
        config["id2label"] = {"0": "cat"}
        (folder / "config.json").write_text(json.dumps(config))
    else:
        report[damage] = {"layout": 2, "format": "tflite", "files": {}}[damage]
        record.write_text(json.dumps(report))
    with pytest.raises(CheckpointError) as caught:
        condetr.load(folder)
    assert str(folder) in caught.value.source


@pytest.mark.slow
def test_a_graph_of_another_program_is_recognized(onnx, tmp_path):
    shutil.copy(onnx.folder / "model.onnx", tmp_path / "model.onnx")
    for reference in (tmp_path, tmp_path / "model.onnx"):
        with pytest.raises(CheckpointError, match=r"holds model\.onnx but no export\.json"):
            condetr.load(reference)


@pytest.mark.slow
def test_a_graph_of_something_else_in_our_folder(onnx, tmp_path):
    export = pytest.importorskip("onnx")
    folder = shutil.copytree(onnx.folder, tmp_path / "copy")
    value = export.helper.make_tensor_value_info("x", 1, [1])
    nothing = export.helper.make_node("Identity", ["x"], ["y"])
    out = export.helper.make_tensor_value_info("y", 1, [1])
    foreign = export.helper.make_model(
        export.helper.make_graph([nothing], "g", [value], [out]), opset_imports=[export.helper.make_opsetid("", 20)]
    )
    foreign.ir_version = 10
    export.save(foreign, folder / "model.onnx")
    record = json.loads((folder / "export.json").read_text())
    record["files"]["model.onnx"] = (folder / "model.onnx").stat().st_size
    (folder / "export.json").write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="goes from x to y, expected pixels and mask"):
        condetr.load(folder)


@pytest.mark.slow
def test_a_graph_that_answers_otherwise_is_not_written(model, images, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")

    def other(self, pixels, mask):
        answer = plain(self, pixels, mask)
        return answer | {"boxes": answer["boxes"] + 2e-4}

    plain = ExportedNetwork.run
    monkeypatch.setattr(ExportedNetwork, "run", other)
    with pytest.raises(GateError, match=r"differs from the model by 0\.0002, more than 0\.0001"):
        model.export("torch-export", output=tmp_path / "out", pictures=images)
    assert list(tmp_path.iterdir()) == []
    done = model.export("torch-export", output=tmp_path / "out", pictures=images, precision="fp16")
    assert 1e-5 < done.record["verification"]["difference"] < 0.02
    with pytest.raises(UsageError, match="does not run torch-export"):
        condetr.load(tmp_path / "out")


@pytest.mark.slow
def test_one_size_only(model, images, tmp_path):
    pytest.importorskip("openvino")
    done = model.export("openvino", output=tmp_path / "out", pictures=images, dynamic=False, image_size=(64, 80))
    assert done.record["inputs"]["pixels"]["shape"] == [1, 3, 64, 80]
    graph = condetr.load(done.folder)
    found, expected = (item.predict(images, threshold=0.3, batch=4) for item in (graph, _padded(model, (64, 80))))
    for theirs, ours in zip(found, expected, strict=True):
        assert theirs.size == ours.size
        assert theirs.names[:3] == ours.names[:3]
        torch.testing.assert_close(theirs.boxes[:3], ours.boxes[:3], atol=1e-2, rtol=0)
    with pytest.raises(UsageError, match="exported for 64x80 only"):
        graph.network(torch.zeros(1, 3, 64, 64))


def _padded(model, size):
    from dataclasses import replace

    from condetr.images.sizes import Exactly, Within

    other = condetr.load(model.checkpoint.provenance.path)
    other.preprocessing = replace(other.preprocessing, size=Within(*size), pad_size=Exactly(*size))
    return other


def test_options_are_checked_before_anything_is_done(model, tmp_path):
    with pytest.raises(UsageError, match="expected one of onnx"):
        model.export("tflite")
    with pytest.raises(UsageError, match="int8 is supported for onnx and openvino"):
        model.export("torch-export", precision="int8", pictures="somewhere")
    with pytest.raises(UsageError, match="calibrated on images"):
        model.export("openvino", precision="int8")
    with pytest.raises(TypeError, match="has no option half="):
        model.export("onnx", half=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").touch()
    with pytest.raises(UsageError, match="not an empty folder"):
        model.export("torch-export", output=tmp_path / "full")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        model.export("torch-export", output=tmp_path / "file/out")


@pytest.mark.parametrize(("library", "form"), [("onnxscript", "onnx"), ("openvino", "openvino")])
def test_a_missing_library_is_reported_with_the_line_to_type(model, monkeypatch, library, form):
    _without(monkeypatch, library)
    with pytest.raises(MissingExtraError, match=rf'needs {library} \(pip install "condetr\[{form}\]"\)'):
        model.export(form)


def test_a_missing_library_where_a_graph_is_run(exported, monkeypatch):
    form = exported.record["format"]
    _without(monkeypatch, {"onnx": "onnxruntime"}.get(form, form))
    with pytest.raises(MissingExtraError, match=rf"condetr\[{form}\]"):
        condetr.load(exported.folder)


def _without(monkeypatch, missing):
    real = extras.importlib.import_module

    def absent(name, *more):
        if name == missing:
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
