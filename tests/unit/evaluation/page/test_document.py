import hashlib
import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from condetr.evaluation.measure import measure
from condetr.evaluation.page.content import content_of
from condetr.evaluation.page.document import document_of
from condetr.evaluation.tide import Kind
from tests.unit.evaluation.scored import detections, distorted

HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "\"'&<!--\u2028$title")
CAT = (0, 10, 10, 30, 30)


def named(dataset, names):
    """The images of a dataset of labels under these names, in a folder with a name of the same kind."""
    root = dataset.root / "<b>&\"'"
    root.mkdir(exist_ok=True)
    examples = [replace(example, path=root / name) for example, name in zip(dataset, names, strict=True)]
    for example in examples:
        Image.new("RGB", (100, 100), (200, 30, 30)).save(example.path, "PNG")
    return replace(dataset, examples=tuple(examples), root=root)


def data_in(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture(scope="module")
def scenes_report(scenes):
    return measure(scenes, distorted(scenes))


def test_names_are_never_html(labelled):
    names = ["<svg onload=alert(3)>.png", "a%2fb #?.png", "\udcff.png", "javascript:alert(4).png"]
    dataset = named(labelled([CAT], [CAT], [CAT], [CAT], names=HOSTILE), names)
    page = document_of(measure(dataset, [detections(dataset, [], at) for at in range(4)]), dataset.root.parent)
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json" id="data">', "<script>"]
    assert page.count("</script>") == 2
    assert not re.search("<img|<svg|<b>", page)
    assert page.encode("utf-8")
    data = data_in(page)
    assert data["classes"] == list(HOSTILE)
    assert data["images"]["names"] == names
    for link, name in zip(data["images"]["links"], names, strict=True):
        assert re.fullmatch(r"[\w./%~-]+", link)
        assert (
            Path(dataset.root.parent) / unquote_to_bytes(link).decode(errors="surrogateescape") == dataset.root / name
        )
    assert unescape(re.search("<h1>(.*?)</h1>", page)[1]) == "<b>&\"': val"


def test_nothing_is_fetched_and_only_its_own_script_runs(scenes_report, tmp_path):
    page = document_of(scenes_report, tmp_path)
    assert re.findall(r"https?://[\w./]+", page) == ["http://www.w3.org/2000/svg"]  # a name space
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    assert "default-src 'none'" in policy
    for tag in ("script", "style"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
    assert not re.search(r"\son\w+=|\sstyle=", page.split('id="data"')[0])
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in page


def test_counts_of_the_columns_are_those_of_the_report(scenes_report, tmp_path):
    content = content_of(scenes_report, tmp_path)
    scores = np.frombuffer(b64decode(content["detections"]["scores"]), "<u2")
    kinds = np.frombuffer(b64decode(content["detections"]["kinds"]), "u1")
    counts = scenes_report.errors.counts
    for kind in Kind:
        if Kind.HIT < kind < Kind.MISSED:
            assert ((kinds == kind) & (scores > 500)).sum() == counts[kind.word]
    assert ((kinds == Kind.HIT) & (scores > 500)).sum() == scenes_report.errors.hits
    assert content["calibration"]["ece"] == scenes_report.calibration.ece
    assert content["ap"] == [result.ap for result in scenes_report.per_class.values()]


def test_what_was_not_measured_is_left_out_and_a_low_threshold_is_followed(scenes, tmp_path):
    content = content_of(measure(scenes, distorted(scenes), metrics=["ap"]), tmp_path)
    assert (content["ap"], content["costs"], content["threshold"], content["lowest"]) == (None, None, 0.5, 0.05)
    low = content_of(measure(scenes, distorted(scenes), metrics=["errors"], threshold=0.01), tmp_path)
    assert (low["threshold"], low["lowest"]) == (0.01, 0.01)
    assert low["costs"].keys() == {kind.word for kind in Kind if kind > Kind.HIT}


def test_many_images_have_no_thumbnails(scenes, tmp_path, monkeypatch):
    """Those with most false detections have them."""
    monkeypatch.setattr("condetr.evaluation.page.content._MOST_THUMBNAILS", 5)
    report = measure(scenes, distorted(scenes))
    content = content_of(report, tmp_path)
    made = [position for position, text in enumerate(content["images"]["thumbnails"]) if text]
    starts = np.frombuffer(b64decode(content["detections"]["starts"]), "<u4")
    kinds = np.frombuffer(b64decode(content["detections"]["kinds"]), "u1")
    wrong = [(kinds[start:end] > Kind.HIT).sum() for start, end in pairwise(starts)]
    assert len(made) == 5
    assert min(wrong[position] for position in made) >= sorted(wrong)[-5]
