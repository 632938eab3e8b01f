"""A segmenter behind the service: masks on request, within limits."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import condetr
from condetr.images.masks.rle import mask_of_rle
from condetr.serving import batching
from condetr.serving.limits import Limits
from tests.tiny import tiny_segmenter
from tests.unit.serving.served import encoded, eventually, predictor_of, serving

THRESHOLD = 0.6


def segmenter_of(**options):
    return predictor_of(tiny_segmenter(), task="instance", **options)


@pytest.fixture(scope="module")
def service():
    with serving(predictor=segmenter_of(), threshold=THRESHOLD) as served:
        yield served


@pytest.mark.parametrize("least", [0.0, 0.4, THRESHOLD])
def test_are_those_of_the_predictor(service, least):
    image = encoded(60, 90)
    [expected] = segmenter_of(threshold=least).predict([image])
    rows = service.predict(image, f"?masks=true&threshold={least}").json
    assert len(rows) == len(expected) > 0
    for row, item, mask in zip(rows, expected, expected.masks, strict=True):
        assert row["label"] == item.name
        assert row["score"] == pytest.approx(item.score, abs=1e-5)
        assert row["mask"]["size"] == [60, 90]
        assert (mask_of_rle(row["mask"], (60, 90)) != mask).float().mean() < 0.02, "pixels at the threshold may tip"


def test_no_masks_by_default(service):
    image = encoded(60, 90)
    plain, with_masks = service.predict(image).json, service.predict(image, "?masks=1").json
    assert [set(row) for row in with_masks] == [{"score", "label", "box", "mask"}] * len(plain)
    assert [{key: row[key] for key in ("score", "label", "box")} for row in with_masks] == plain


def test_the_metadata_lists_masks(service):
    outputs = service.get("/v2/models/tiny").json["outputs"]
    assert [output["name"] for output in outputs] == ["score", "label", "box", "image", "mask"]


@pytest.mark.slow
def test_come_from_a_graph_as_from_the_network(segmenter_model, segmenter_as):
    image = encoded(60, 90)
    graph = condetr.load(segmenter_as("onnx").folder)
    answers = []
    for model in (graph, segmenter_model):
        with serving(predictor=model.predictor(threshold=0, task="instance"), threshold=THRESHOLD) as served:
            answers.append(served.predict(image, "?masks=true").json)
    rows, expected = answers
    assert len(rows) > 0
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row["score"] == pytest.approx(other["score"], rel=1e-4)
        masks = [mask_of_rle(item["mask"], (60, 90)) for item in (row, other)]
        assert (masks[0] != masks[1]).float().mean() < 0.02, "pixels at the threshold may tip"


def test_neighbours_in_a_batch_may_ask_for_other_things():
    image = encoded(60, 90)
    questions = ["", "?masks=true", "?threshold=0.5", "?masks=true&threshold=0.5"] * 4
    with serving(predictor=segmenter_of(), threshold=THRESHOLD, batch=8) as served, ThreadPoolExecutor(16) as pool:
        alone = {question: served.predict(image, question).json for question in questions[:4]}
        together = [pool.submit(served.predict, image, question) for question in questions]
        for question, answer in zip(questions, together, strict=True):
            rows = answer.result().json
            assert [row["label"] for row in rows] == [row["label"] for row in alone[question]]
            assert [set(row) for row in rows] == [set(row) for row in alone[question]]
        assert max(entry.get("together", 0) for entry in served.log) > 1


def test_too_many_pixels_for_masks_are_enough_for_boxes():
    with serving(predictor=segmenter_of(), limits=Limits(mask_pixels=2000)) as served:
        assert served.predict(encoded(60, 90)).status == 200
        refused = served.predict(encoded(60, 90), "?masks=true")
        assert (refused.status, refused.error["code"]) == (422, "image")
        assert served.predict(encoded(30, 40), "?masks=true").status == 200


def test_a_batch_has_no_more_masks_than_fit_in_memory(monkeypatch):
    monkeypatch.setattr(batching, "_MASK_BYTES", 2 * 100 * 60 * 90)
    with serving(predictor=segmenter_of(), batch=8) as served, ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda seed: served.predict(encoded(60, 90, seed=seed), "?masks=true"), range(12)))
        list(pool.map(lambda seed: served.predict(encoded(120, 180, seed=seed), "?masks=true"), range(4)))
        eventually(lambda: sum("together" in entry for entry in served.log) == 16)
        together = [entry["together"] for entry in served.log if "together" in entry]
    assert max(together[:12]) == 2
    assert max(together[12:]) == 1


def test_the_mask_head_skips_images_without_masks(monkeypatch):
    network, selected = tiny_segmenter(), []
    segment = network.segment
    monkeypatch.setattr(network, "segment", lambda trace, queries: selected.append(queries) or segment(trace, queries))
    predictor = predictor_of(network, task="instance")
    images = [np.random.default_rng(seed).integers(0, 256, (60, 90, 3), dtype=np.uint8) for seed in range(2)]
    from condetr.prediction.sources import images_in

    sources = list(images_in(images))
    boxes, none = predictor.predict_batch([predictor.prepare(source, masks=False) for source in sources])
    assert (boxes.masks, none.masks, selected) == (None, None, [])
    mixed = predictor.predict_batch(
        [predictor.prepare(sources[0], min_score=0.6), predictor.prepare(sources[1], masks=False)]
    )
    assert mixed[1].masks is None
    assert [len(queries) for queries in selected[0]] == [len(mixed[0].boxes.unique(dim=0)), 0]
    assert torch.equal(mixed[0].scores, boxes.scores[boxes.scores > 0.6])
