import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condetr.checkpoints.saving import save
from condetr.core.errors import StorageError
from condetr.data.demo.scenes import scene
from tests.fork_server import BOTH_WAYS
from tests.tiny import LABELS, PREPROCESSING, tiny_segmenter


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def results_in(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_a_folder_with_bad_images_is_done_in_part(condetr, model, photos, tmp_path):
    status, out, err = condetr("predict", photos, "--model", model, "--output", "out", "--threshold", "0.3")
    assert status == 4
    assert out == "3 ok, 2 failed; results in out\n"
    assert "condetr: failed:" in err
    assert "bad1.jpg: unsupported format: a web page" in err
    assert "bad2.png: is empty" in err
    assert [Path(r["source"]).name for r in results_in(tmp_path / "out")] == ["a.png", "b.png", "c.png"]
    errors = [json.loads(line) for line in (tmp_path / "out/errors.jsonl").read_text().splitlines()]
    assert [Path(error["source"]).name for error in errors] == ["bad1.jpg", "bad2.png"]
    assert files_in(tmp_path / "out/images") == ["a.jpg", "b.jpg", "c.jpg"]


def test_json_is_one_document_and_writes_no_file(condetr_json, model, photos, tmp_path):
    status, answer, _ = condetr_json("predict", photos, "--model", model, "--threshold", "0.3")
    assert status == 4
    assert [Path(result["source"]).name for result in answer["results"]] == ["a.png", "b.png", "c.png"]
    assert [failure["code"] for failure in answer["failures"]] == ["image", "image"]
    assert answer["counts"] == {"ok": 3, "failed": 2, "before": 0}
    assert (answer["interrupted"], answer["output"], answer["model"]["revision"]) == (False, None, None)
    detection = answer["results"][0]["detections"][0]
    assert set(detection) == {"box", "score", "label", "name"}
    assert files_in(tmp_path) == files_in(tmp_path / "photos") or not (tmp_path / "runs").exists()


def test_json_with_an_output_gives_both(condetr_json, model, photos, tmp_path):
    _, answer, _ = condetr_json("predict", photos / "a.png", "--model", model, "--output", "out", "--save", "json")
    assert answer["output"] == "out"
    assert files_in(tmp_path / "out") == ["json/a.json", "predictions.jsonl", "run.json"]


def test_json_with_formats_gives_both(condetr_json, model, photos, tmp_path):
    _, answer, _ = condetr_json("predict", photos / "a.png", "--model", model, "--save", "csv")
    assert answer["output"] == "runs/predict"
    assert (tmp_path / "runs/predict/predictions.csv").exists()


def test_an_output_that_cannot_be_written_is_refused_before_the_model_is_read(condetr, photos):
    status, _, err = condetr("predict", photos, "--model", "nowhere", "--output", photos / "a.png/out")
    assert status == 2
    assert "a.png/out: cannot be written: Not a directory (give another --output)" in err


def test_all_good_all_bad_none(condetr, condetr_json, model, photos):
    assert condetr("predict", photos / "a.png", "--model", model)[:2] == (
        0,
        "1 ok, 0 failed; results in runs/predict\n",
    )
    assert condetr("predict", photos / "bad2.png", "--model", model)[:2] == (
        3,
        "0 ok, 1 failed; results in runs/predict-2\n",
    )
    status, answer, _ = condetr_json("predict", photos / "bad2.png", "--model", model)
    assert (status, answer["results"]) == (3, [])


def test_results_do_not_depend_on_the_batch(condetr_json, model, photos):
    first, four = (
        condetr_json("predict", photos, "--model", model, "--threshold", "0.3", "--batch", batch)[1] for batch in (1, 4)
    )
    for alone, together in zip(first["results"], four["results"], strict=True):
        boxes, same = ([x for d in found["detections"] for x in d["box"]] for found in (alone, together))
        assert boxes == pytest.approx(same, abs=1e-4)


def test_classes_top_k_and_image_size(condetr_json, model, photos):
    words = ("predict", photos / "a.png", "--model", model, "--threshold", "0")

    def found(*more):
        return condetr_json(*words, *more)[1]["results"][0]["detections"]

    assert {item["name"] for item in found("--classes", "dog, 2")} == {"dog", "bird"}
    assert len(found("--top-k", "7")) == 7
    boxes = [found(*more)[0]["box"] for more in ([], ["--image-size", "96"], ["--image-size", "32x200"])]
    assert len(set(map(tuple, boxes))) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--threshold", "1.5"], "condetr: error: --threshold: is 1.5, expected a number from 0 to 1"),
        (["--threshold", "nan"], "--threshold: is nan"),
        (["--threshold", "high"], "Invalid value for '--threshold'"),
        (["--batch", "0"], "--batch: is 0, expected a whole number of at least 1"),
        (["--top-k", "0"], "--top-k: is 0"),
        (
            ["--save", "images,xml"],
            "is 'images,xml', expected a list, each one of images, crops, json, jsonl, coco, coco-panoptic, yolo, csv",
        ),
        (["--set", "thresh=0.3"], "thresh: no such setting (condetr calls it threshold)"),
        (["--image-size", "big"], "--image-size: is 'big', expected pixels such as 640"),
        (["--overwrite", "--resume", "--output", "out"], "--overwrite: cannot be combined with resume"),
        (["--resume"], "--resume: needs the folder of the run to resume"),
        (["--scores"], "--scores: is a column of yolo (--save yolo --scores)"),
        (["--classes", "unicorn"], "the model has no class 'unicorn'"),
        (["--device", "tpu"], "device: 'tpu' is not the name of a device"),
        (["--config", "gone.yaml"], "gone.yaml: cannot be read"),
        (["--frobnicate"], "No such option"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(condetr, model, photos, tmp_path, words, says):
    status, out, err = condetr("predict", photos / "a.png", "--model", model, *words)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_without_a_model_the_bundled_one_reads_handwriting(condetr, tmp_path):
    folder = tmp_path / "digits"  # a name that must not be taken for the model
    folder.mkdir()
    scene(0, split="val").image.save(folder / "scene.png")
    status, out, err = condetr("predict", folder, "--json")
    assert status == 0
    assert "no --model was given: condetr/digits, bundled with condetr, detects handwritten digits" in err
    (found,) = json.loads(out)["results"]
    assert found


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_without_a_model_photographs_are_not_searched_for_digits(condetr, photos, tmp_path, command):
    status, out, err = condetr(command, photos / "a.png", "--output", "out")
    assert (status, out) == (2, "")
    assert "a.png: model: no model was given, and the bundled one only detects handwritten digits" in err
    assert "--model microsoft/conditional-detr-resnet-50" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["gone.jpg", "gone/", "no*.jpg", "x.tar", "empty"])
def test_what_is_not_there_ends_the_run_before_it_begins(condetr, model, photos, tmp_path, name):
    (tmp_path / "x.tar").touch()
    (tmp_path / "empty").mkdir()
    status, _, err = condetr("predict", photos / "a.png", name, "--model", model, "--output", "out")
    assert status == 2
    assert name in err
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there_leaves_nothing_behind(condetr, photos, tmp_path):
    status, _, err = condetr("predict", photos, "--model", "nowhere", "--output", "out")
    assert status == 5
    assert "nowhere: is neither a folder or file here nor a hub id" in err
    assert not files_in(tmp_path / "out")


def test_a_used_output_is_refused_unless_it_goes_on_or_begins_anew(condetr, model, photos, tmp_path):
    words = ("predict", "--model", model, "--output", "out", "--save", "yolo")
    condetr(*words, photos / "a.png")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    status, _, err = condetr(*words, photos)
    assert status == 2
    assert "out: exists and is not an empty folder (give another --output, or --resume or --overwrite it)" in err
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
    status, out, _ = condetr(*words, photos, "--resume")
    assert (status, out) == (4, "2 ok, 2 failed, 1 done before; results in out\n")
    assert condetr(*words, photos / "b.png", "--resume")[:2] == (0, "0 ok, 0 failed, 1 done before; results in out\n")
    assert condetr(*words, photos / "b.png", "--overwrite")[0] == 0
    assert files_in(tmp_path / "out") == ["classes.txt", "labels/b.txt", "predictions.jsonl", "run.json"]


def test_yolo_has_scores_where_they_are_asked_for(condetr, model, photos, tmp_path):
    words = ("predict", photos / "a.png", "--model", model, "--save", "yolo", "--threshold", "0.3")
    for output, more, columns in (("five", [], 5), ("six", ["--scores"], 6)):
        assert condetr(*words, "--output", output, *more)[0] == 0
        lines = (tmp_path / output / "labels/a.txt").read_text().splitlines()
        assert {len(line.split()) for line in lines} == {columns}
    status, _, err = condetr(*words, "--output", "five", "--resume", "--scores")
    assert status == 2
    assert "scores: is True, but the run in this folder began with False" in err


def test_crops_are_cut_out_by_class(condetr, model, photos, tmp_path):
    words = ("predict", photos / "a.png", "--model", model, "--threshold", "0.3", "--output", "out")
    assert condetr(*words, "--save", "crops")[0] == 0
    detections = results_in(tmp_path / "out")[0]["detections"]
    expected = sorted(f"{found['name']}/a-{number}.jpg" for number, found in enumerate(detections, start=1))
    assert files_in(tmp_path / "out/crops") == expected
    x1, y1, x2, y2 = detections[0]["box"]
    with Image.open(tmp_path / "out/crops" / f"{detections[0]['name']}/a-1.jpg") as crop:
        assert crop.size == (np.ceil(x2) - np.floor(x1), np.ceil(y2) - np.floor(y1))
    assert condetr(*words, "--save", "json", "--overwrite")[0] == 0
    assert not (tmp_path / "out/crops").exists()


def test_a_broken_model_does_not_cost_the_earlier_results(condetr, model, photos, tmp_path):
    condetr("predict", photos / "a.png", "--model", model, "--output", "out")
    before = files_in(tmp_path / "out")
    assert condetr("predict", photos / "a.png", "--model", "nowhere", "--output", "out", "--overwrite")[0] == 5
    assert files_in(tmp_path / "out") == before


def test_the_output_is_never_the_input(condetr, model, photos):
    before = files_in(photos)
    for output in (photos, photos.parent):
        for more in ([], ["--overwrite"]):
            status, _, err = condetr("predict", photos, "--model", model, "--output", output, *more)
            assert status == 2
            assert "is the folder of the input, or contains it" in err
    assert files_in(photos) == before


def test_an_output_inside_the_input_is_not_predicted_on(condetr, model, photos):
    words = ("predict", photos, "--model", model, "--output", photos / "out")
    assert condetr(*words)[1].startswith("3 ok, 2 failed;")
    assert condetr(*words, "--overwrite")[1].startswith("3 ok, 2 failed;")


def test_the_same_image_twice_is_looked_at_once(condetr, model, photos):
    _, out, err = condetr("predict", photos / "a.png", photos / "a.png", "--model", model)
    assert out.startswith("1 ok, 0 failed")
    assert "skipped duplicate images: 1" in err


def test_one_file_is_one_image_however_its_path_is_written(condetr, model, photos, tmp_path):
    spelled = (photos / "a.png", "photos/a.png", "./photos/../photos//a.png")
    _, out, err = condetr("predict", *spelled, "--model", model, "--output", "out")
    assert out.startswith("1 ok, 0 failed")
    assert "skipped duplicate images: 2" in err
    for path in spelled:
        status, out, _ = condetr("predict", path, "--model", model, "--output", "out", "--resume")
        assert (status, out) == (0, "0 ok, 0 failed, 1 done before; results in out\n")


def test_a_disk_that_fails_in_the_middle_of_a_file_costs_that_image(condetr, model, photos, monkeypatch):
    from condetr.prediction import sources

    real = sources.image_of

    def failing(value):
        if str(value).endswith("b.png"):
            raise OSError(5, "Input/output error")
        return real(value)

    monkeypatch.setattr(sources, "image_of", failing)
    status, out, err = condetr("predict", photos, "--model", model, "--output", "out")
    assert (status, out) == (4, "2 ok, 3 failed; results in out\n")
    assert "b.png: cannot be read: Input/output error" in err


def test_settings_come_from_everywhere_in_order(condetr, model, photos, tmp_path):
    (tmp_path / "run.yaml").write_text(f"model: {model}\nthreshold: 0.1\ntop_k: 5\nbatch: 2\noutput: out\n")
    condetr(
        "predict",
        photos / "a.png",
        "--config",
        "run.yaml",
        "--set",
        "threshold=0.2",
        "--set",
        "top_k=4",
        "--top-k",
        "3",
    )
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert (run["threshold"], run["top_k"], run["model"]) == (0.2, 3, str(model))
    assert run["state"] == "complete"


def test_weights_that_are_not_numbers_are_a_failure_of_the_model(condetr, model, photos, monkeypatch):
    monkeypatch.setattr("condetr.model.heads.DetectionHead.forward", lambda self, *_: _nan(self))
    status, _, err = condetr("predict", photos / "a.png", "--model", model, "--output", "out")
    assert status == 5
    assert "not finite" in err


def _nan(head):
    import torch

    from condetr.core.records import Prediction

    return Prediction(torch.full((1, 20, 3), float("nan")), torch.rand(1, 20, 4))


def test_a_full_disk_ends_the_run(condetr, model, photos, monkeypatch):
    def full(*_, **_more):
        raise StorageError("cannot be written: No space left on device", source="out")

    monkeypatch.setattr("condetr.prediction.results_writing.write_files", full)
    status, _, err = condetr("predict", photos / "a.png", "--model", model, "--output", "out")
    assert status == 6
    assert "No space left" in err


@pytest.mark.parametrize("name", ["a\nb.png", "n" * 246 + ".png", "\udcff\udcfe.png", "\U0001f600.png", "[x] 'y\".png"])
def test_odd_names_come_back_as_they_were(condetr, condetr_json, model, tmp_path, name):
    (tmp_path / "odd").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "odd" / name, "PNG")
    status, answer, _ = condetr_json("predict", tmp_path / "odd", "--model", model, "--output", "out")
    assert status == 0
    assert os.fsencode(answer["results"][0]["source"]) == os.fsencode(tmp_path / "odd" / name)
    assert len(files_in(tmp_path / "out/images")) == 1
    status, _, err = condetr("predict", tmp_path / "odd" / name, "--model", model, "-v", "--save", "json,yolo,csv,coco")
    assert status == 0
    assert "\n" not in err.removesuffix("\n").replace("\n" + str(tmp_path), "")


def test_the_same_stem_twice_gives_two_results(condetr, model, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "a.png", "sub"):
        if name == "sub":
            (tmp_path / "in/sub").mkdir()
            name = "sub/a.png"
        Image.new("RGB", (40, 30)).save(tmp_path / "in" / name)
    assert condetr("predict", tmp_path / "in", "--model", model, "--output", "out")[0] == 0
    images = files_in(tmp_path / "out/images")
    assert len(images) == 3
    assert {"a.jpg", "sub/a.jpg"} < set(images)


def test_quiet_says_nothing_but_results_and_errors(condetr, model, photos):
    status, out, err = condetr("predict", photos / "a.png", "--model", model, "-q")
    assert (status, err) == (0, "")
    assert out.startswith("1 ok")
    assert condetr("predict", photos, "--model", model, "-q")[2].count("condetr: failed:") == 2


def test_verbose_says_what_was_found(condetr, model, photos):
    err = condetr("predict", photos / "a.png", "--model", model, "-v", "--threshold", "0.3")[2]
    assert "a.png: " in err
    assert " cat" in err


@pytest.fixture
def segmenter(tmp_path):
    flat = {"label_ids_to_fuse": [2]}
    save(tmp_path / "segmenter", tiny_segmenter(), LABELS, preprocessing=PREPROCESSING.to_dict(), flat=flat)
    return tmp_path / "segmenter"


def test_masks_and_segments(condetr, condetr_json, segmenter, photos, tmp_path):
    words = ("predict", photos / "a.png", photos / "b.png", "--model", segmenter, "--threshold", "0.3")
    status, answer, _ = condetr_json(*words, "--save", "images,coco,coco-panoptic", "--output", "segments")
    assert status == 0
    assert all(result["panoptic"] for result in answer["results"])
    assert {"coco_panoptic.json", "coco_panoptic/a.png", "coco_results.json", "images/a.jpg"} <= set(
        files_in(tmp_path / "segments")
    )
    _, answer, _ = condetr_json(*words, "--task", "instance")
    masks = [row["mask"] for result in answer["results"] for row in result["detections"]]
    assert masks
    assert all(mask["size"] == [30, 40] for mask in masks)
    _, wider, _ = condetr_json(*words, "--task", "instance", "--mask-threshold", "0")
    assert "panoptic" not in wider["results"][0]
    assert [row["mask"] for result in wider["results"] for row in result["detections"]] != masks
    _, answer, _ = condetr_json(*words, "--task", "detect")
    assert all("mask" not in row for result in answer["results"] for row in result["detections"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--task", "instance", "--save", "coco-panoptic"), "coco-panoptic is of segments, and the task is instance"),
        (("--mask-threshold", "2"), "--mask-threshold: is 2.0, expected a number from 0 to 1"),
        (("--task", "semantic"), "semantic"),
    ],
)
def test_segments_that_are_not_there(condetr, segmenter, photos, words, says):
    status, _, err = condetr("predict", photos / "a.png", "--model", segmenter, *words)
    assert status == 2
    assert says in err


def test_a_detector_has_no_masks(condetr, model, photos):
    status, _, err = condetr("predict", photos / "a.png", "--model", model, "--task", "instance")
    assert status == 2
    assert "the model has no mask head" in err


def test_tiles(condetr, condetr_json, model, segmenter, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 130, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    words = ("predict", tmp_path / "large.png", "--model", model, "--threshold", "0.3")
    whole, tiled = (condetr_json(*words, *more)[1]["results"][0] for more in ((), ("--tile", "50x70")))
    assert len(tiled["detections"]) > len(whole["detections"])
    assert max(row["box"][2] for row in tiled["detections"]) > 100
    status, _, err = condetr(*words, "--tile", "8", "--output", "new")
    assert (status, "tile: is 8x8, expected at least 32 pixels" in err) == (2, True)
    assert not Path("new").exists()
    assert condetr(*words, "--tile", "big")[0] == 2
    status, _, err = condetr("predict", tmp_path / "large.png", "--model", segmenter, "--tile", "64")
    assert (status, "segments of tiles" in err) == (2, True)


def test_a_image_is_decoded_once_though_it_is_painted_too(condetr, model, photos, monkeypatch):
    from condetr.images import image_inputs as images

    decoded = []
    real = images.decode
    monkeypatch.setattr(images, "decode", lambda inputs, **more: decoded.append(inputs) or real(inputs, **more))
    for more in ((), ("--tile", "32")):
        decoded.clear()
        assert condetr("predict", photos / "a.png", photos / "b.png", "--model", model, *more)[0] == 0
        files = [value for value in decoded if isinstance(value, str)]
        assert files == [str(photos / "a.png"), str(photos / "b.png")]


@pytest.mark.slow
def test_two_runs_at_once_in_one_folder(forked, condetr, model, photos, tmp_path):
    code = (
        "import sys; from pathlib import Path; from condetr.prediction.results_folder import claim; "
        "c = claim(Path(sys.argv[1]), 'refuse'); print('held', flush=True); sys.stdin.read()"
    )
    for output, value in (("out", ("--output", "out")), ("runs/predict", ())):
        with forked.start("-c", code, output, **BOTH_WAYS) as holder:
            assert holder.stdout.readline() == "held\n"
            status, out, err = condetr("predict", photos / "a.png", "--model", model, *value)
            if value:
                assert (status, out) == (2, "")
                assert f"out: process {holder.pid} on " in err
                assert "is predicting in this folder (choose another --output)" in err
            else:  # where the folder was not asked for, the next one does
                assert out == "1 ok, 0 failed; results in runs/predict-2\n"
