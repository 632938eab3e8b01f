"""To paint never fails, whatever the boxes, names, numbers and images are."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from condetr.charts.axes import Line, lines_chart
from condetr.charts.bars import Bar, bars_chart
from condetr.charts.counts_table import counts_table
from condetr.data.checks.contact_sheet import contact_sheet
from condetr.data.checks.data_charts import charts_of
from condetr.data.classes import Classes
from condetr.data.records import Dataset, Example, Object
from condetr.evaluation.confusion import Confusion
from condetr.evaluation.curves import Curve, Curves
from condetr.evaluation.error_kinds import Errors
from condetr.evaluation.report_charts import confusion_chart, curves_chart, errors_chart
from condetr.evaluation.tide import ERRORS
from condetr.evaluation.worst import worst_images, worst_rows
from condetr.explain import figures
from condetr.explain.evidence import Evidence
from condetr.explain.overview import overview
from condetr.images.detection import Detection
from condetr.images.detections import Detections
from condetr.images.drawing.draw import draw, draw_segments
from condetr.images.drawing.legend import with_legend
from condetr.images.drawing.marks import captioned
from condetr.training.run.curves import curves_of
from condetr.training.run.sample_sheets import _painted as sample

SLOW = [HealthCheck.too_slow]  # a machine that others use, too, proves nothing
# width, height
SIZES = ((1, 1), (1, 90), (90, 1), (64, 48), (700, 2))
HOSTILE = ("", " ", "1", "two\nlines", "\0", "\udcff", "a" * 5000, "שלום עולם", "猫 🐈", "%s {0} <b>", "\u202e\x1b[31m")
sizes = st.sampled_from(SIZES)
names = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=()), max_size=80)
edges = st.floats(-20, 100) | st.integers(-2, 5).map(float) | st.sampled_from((-1e30, 1e30, 1e-30, 699.5, 2.0**31))
corners = st.tuples(edges, edges, edges, edges)
boxes = corners.map(lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])))
floats = st.floats() | st.sampled_from((1e-320, -1e308, 1e308))
numbers = floats | st.integers(-3, 3) | st.sampled_from((1e-320, -1e308, 1e308))
detections = st.lists(st.builds(Detection, boxes, st.floats(0, 1), st.integers(0, 2**40), names), max_size=6)
few = settings(max_examples=20, deadline=None, suppress_health_check=SLOW)


def image(size):
    return Image.new("RGB", size, (90, 90, 90))


@given(sizes, detections, st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
def test_boxes_and_masks(size, found, masked):
    masks = torch.rand(len(found), *size[::-1]) > 0.5
    assert draw(image(size), found, masks if masked else None).size == size
    assert sample(image(size), found, masks if masked else None).size[0] >= 1
    numbered = torch.randint(0, len(found) + 1, size[::-1])
    assert draw_segments(image(size), found, numbered).width == size[0]


@given(sizes, st.tuples(*[st.floats()] * 4))
@few
def test_what_is_no_box(size, edges):
    """Nobody gives such, as far as anybody knows."""
    assert draw(image(size), [Detection(edges, math.nan, 0, "cat")]).size == size


def test_thin_boxes_are_seen():
    for box in ((5, 5, 6, 20), (5, 5, 20, 6), (5, 5, 5, 5), (39, 0, 40, 30), (5.4, 5, 5.6, 20)):
        assert (np.asarray(draw(image((40, 30)), [Detection(box, 0.5, 0, "")])) != 90).any()


def test_very_many_boxes():
    """In a time that does not grow with their square."""
    rows = [Detection((x, x, x + 3.0, x + 2.0), 0.5, x % 90, "cat") for x in range(2000)]
    assert draw(image((300, 300)), rows).size == (300, 300)


@given(sizes, names, st.lists(names, max_size=30))
@few
def test_captions_and_legends(size, name, entries):
    assert captioned(image(size), name).width == size[0]
    assert with_legend(image(size), [(entry, (0, 0, 0)) for entry in entries]).width == size[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for position, size in enumerate(SIZES):
        image(size).save(folder / f"{position}.png")
    return folder


def dataset_of(folder, rows, called):
    """An object a row, of the images in turn; the last image is not there any more."""
    examples = []
    for position, (width, height) in enumerate((*SIZES, (5, 5))):
        objects = tuple(
            Object(number % len(called), box, 1.0) for number, box in enumerate(rows[position :: len(SIZES) + 1])
        )
        examples.append(Example(folder / f"{position}.png", (height, width), position, objects, objects[:1]))
    return Dataset(tuple(examples), Classes.named(called), folder, "val")


class_names = names.filter(lambda name: not any("\ud800" <= item <= "\udfff" for item in name))  # no file holds those


@given(st.lists(boxes, max_size=12), st.lists(class_names, min_size=1, max_size=3), st.floats(-0.1, 1))
@few
def test_grids_worst_images_and_charts_of_data(files, rows, called, threshold):
    dataset = dataset_of(files, rows, called)
    assert contact_sheet(dataset, range(len(SIZES)), columns=2, side=40).width > 80
    assert charts_of(dict.fromkeys(called, dataset)).width > 100
    found = [
        Detections(
            torch.tensor([labeled.box for labeled in example.objects[::-1]], dtype=torch.float64).reshape(-1, 4),
            torch.full((len(example.objects),), 0.5),
            torch.zeros(len(example.objects), dtype=torch.int64),
            (called[0],) * len(example.objects),
            example.size,
        )
        for example in dataset
    ]
    listed = worst_rows(dataset, found, threshold=threshold)
    assert (worst_images(dataset, found, threshold=threshold) is None) == (not listed)


@given(st.integers(1, 40), st.lists(boxes, min_size=1, max_size=2))
@few
def test_charts_of_data_in_many_splits(splits, rows):
    """Boxes as thin as none."""
    thin = [(x1, y1, x1 + 1e-300, y2 + 1.0) for x1, y1, _, y2 in rows]
    example = Example(Path("0.png"), (9, 9), 0, tuple(Object(0, box, 1.0) for box in (*rows, *thin)))
    dataset = Dataset((example,), Classes.named(["1"]), Path())
    assert charts_of({str(number): dataset for number in range(splits)}).width > 100


logged = st.dictionaries(st.sampled_from(("step", "loss", "lr", "ap", "gradient")), numbers | st.none() | names)


@given(st.lists(logged, max_size=6))
@few
def test_curves_of_a_training(rows):
    assert curves_of(rows).width == 1280


@given(st.lists(st.tuples(names, floats, names), max_size=5), st.lists(floats, max_size=4))
@few
def test_bars_and_lines(bars, points):
    assert bars_chart("title", [Bar(name, [(value, (0, 0, 0))], text) for name, value, text in bars]).width > 100
    line = list(zip(points, points, strict=True))
    assert lines_chart("title", [Line("name", line, (0, 0, 0), 1)] * len(bars)).width > 100


@given(st.lists(names, max_size=5, unique=True))
@few
def test_charts_of_an_evaluation(called):
    size = len(called) + 1
    assert confusion_chart(Confusion(tuple(called), ((0,) * size,) * size, 0.5)).width > 100
    assert curves_chart(Curves({name: Curve((math.nan,) * 101, (0.0,) * 101) for name in called})).width > 100
    kinds = {kind.word: 0 for kind in ERRORS}
    assert errors_chart(Errors(kinds, dict.fromkeys(kinds, math.nan), 0, 0, 0.5)).width > 100


def test_a_confusion_of_very_many_classes_is_no_larger_than_a_screen_or_two():
    chart = counts_table(
        "title", "true", "predicted", [str(number) for number in range(2000)], np.eye(2000, dtype=int).tolist()
    )
    assert max(chart.size) < 3200


maps = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((2, 2, 3, 4)).astype(np.float32))


@pytest.mark.slow
@given(sizes, boxes, names, st.tuples(edges, edges), maps, st.booleans())
@few
def test_figures_of_explanations(size, box, name, point, maps, empty):
    maps = np.zeros_like(maps) if empty else maps / maps.sum((2, 3), keepdims=True)
    detection = Detection(box, 0.5, 0, name)
    first = Evidence(
        detection=detection,
        number=0,
        query=3,
        reference_point=point,
        content=maps,
        spatial=maps,
        combined=maps,
        boxes=np.array([box, box], dtype=np.float32),
        scores=np.array([0.5, 0.5], dtype=np.float32),
        pixel=point,
        encoder=maps,
        cell=(size[1] / 3, size[0] / 4),
        size=size[::-1],
        source=None,
        image=image(size),
    )
    found = Detections(
        torch.tensor([box], dtype=torch.float64), torch.tensor([0.5]), torch.tensor([0]), (name,), size[::-1]
    )
    for painted in (figures.bands(first), figures.layers(first), figures.encoder(first), overview(found, [first])):
        assert painted.width > 100
