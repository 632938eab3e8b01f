"""The page without a browser; tests/end_to_end/test_demo.py has one."""

import asyncio
import os

import pytest
from PIL import Image

pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')

import gradio
from gradio import processing_utils

from condetr.serving.page.no_downloads import no_downloads
from condetr.serving.page.page import page
from condetr.serving.page.page_image import PageImage
from condetr.serving.page.uploads import Uploads
from tests.unit.serving.served import Watched, encoded, predictor_of


@pytest.fixture
def detector():
    return Watched()


def sent(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def handlers_of(detector, folder, **options):
    defaults = {
        "title": "tiny",
        "scenes": [],
        "threshold": 0.5,
        "pixels": 10_000,
        "uploads": Uploads(folder, file_bytes=10**6, all_bytes=10**7),
    }

    async def build():  # gradio makes an event loop of its own where none runs, and leaves it open
        return page(predictor_of(detector), **defaults | options)

    return {item.fn.__name__: item.fn for item in asyncio.run(build()).fns.values()}


def test_sliding_and_clicking_run_the_network_once(detector, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded())
    handlers = handlers_of(detector, tmp_path)
    shown = handlers["detect"](sent(tmp_path / "a.png"), None, "")[0]
    assert len(detector.batches) == 1
    tables = [
        handlers["show"](shown, least, selected)[1]["data"] for least in (0.0, 0.81, 0.9) for selected in (None, 0)
    ]
    assert len(detector.batches) == 1
    assert len(tables[0]) > len(tables[-1])


def test_attention_is_shown_for_the_selected_detection(detector, tmp_path):
    calls = []

    def explain(image, position):
        calls.append((image.size, position))
        return Image.new("RGB", (5, 5))

    (tmp_path / "a.png").write_bytes(encoded())
    handlers = handlers_of(detector, tmp_path, explain=explain)
    shown = handlers["detect"](sent(tmp_path / "a.png"), None, "")[0]
    assert isinstance(shown, PageImage)
    assert handlers["show"](shown, 0.0, None)[-1]["value"] is None
    assert handlers["show"](shown, 0.0, 2)[-1]["value"].size == (5, 5)
    assert calls == [((40, 30), 2)]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\nxx", encoded(200, 200)])
def test_an_invalid_image_gives_a_warning_without_its_path(detector, tmp_path, monkeypatch, content):
    (tmp_path / "a.png").write_bytes(content)
    messages = []
    monkeypatch.setattr(gradio, "Warning", lambda message, **more: messages.append(message))
    handlers = handlers_of(detector, tmp_path)
    current, last = handlers["detect"](sent(tmp_path / "a.png"), None, "")
    assert handlers["detect"](sent(last), last, current) == (current, last)
    assert len(messages) == 1
    assert str(tmp_path) not in messages[0]
    assert "<" not in messages[0]
    painted, table, text, *_ = handlers["show"](current, 0.5, None)
    assert (painted, table["data"]) == (None, [])
    assert text.startswith("This image cannot be used: ")
    assert str(tmp_path) not in text


def test_the_same_image_goes_through_the_network_once(detector, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded())
    detect = handlers_of(detector, tmp_path)["detect"]
    current, last = detect(sent(tmp_path / "a.png"), None, "")
    assert detect(sent(last), last, current) == (current, last)
    assert len(detector.batches) == 1
    assert detect(None, last, current) == ("", None)


def places_elsewhere(folder):
    """By name, through a link, by climbing, and what is no plain file: a FIFO would hang the page for good."""
    secret = folder.parent / "secret.png"
    secret.write_bytes(encoded())
    (folder / "link.png").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    climbing = f"{folder}/../secret.png"
    wrong = [None, 3, ["a"], "", "a.png", "a\0b", "x" * 100_000]
    return [str(secret), "/etc/passwd", "/dev/zero", str(folder / "link.png"), str(folder / "pipe"), climbing, *wrong]


def test_only_uploads_are_read(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(gradio, "Warning", lambda message, **more: None)
    folder = tmp_path / "page"
    folder.mkdir()
    detect = handlers_of(detector, folder)["detect"]
    for defaults in [*({"path": location} for location in places_elsewhere(folder)), {}, "text", 3, []]:
        current, _ = detect(defaults, None, "")
        assert "is not an image that was sent to this page" in current, defaults
    assert detector.batches == []


@pytest.mark.parametrize(
    "index", [None, "x", [], [1], [1, 2, 3], ["a", "b"], [float("inf"), 0], [10**400, 0], [float("nan"), 0], [True, 0]]
)
def test_a_click_nowhere_is_no_click(detector, tmp_path, index):
    """Clients that are no browsers may send any."""
    (tmp_path / "a.png").write_bytes(encoded())
    handlers = handlers_of(detector, tmp_path)
    shown = handlers["detect"](sent(tmp_path / "a.png"), None, "")[0]
    event = gradio.SelectData(None, {"index": index, "value": None})
    assert handlers["picked"](event) is None
    assert handlers["clicked"](shown, 0.0, event) is None


@pytest.mark.parametrize("selected", [-1, -21, 10**9])
def test_a_missing_row_is_not_selected(detector, tmp_path, selected):
    (tmp_path / "a.png").write_bytes(encoded())
    handlers = handlers_of(detector, tmp_path)
    shown = handlers["detect"](sent(tmp_path / "a.png"), None, "")[0]
    assert handlers["show"](shown, 0.0, selected)[2].startswith("Click a box")


@pytest.mark.parametrize("address", ["http://203.0.113.7/a.png", "https://203.0.113.7/a.png"])
def test_no_url_is_fetched_for_any_component(address):
    async def ask():
        for component in (gradio.Image(), gradio.Slider(), gradio.File()):
            with pytest.raises(gradio.Error, match="URL input is disabled"):
                await component.async_move_resource_to_block_cache(address)
            with pytest.raises(gradio.Error, match="URL input is disabled"):
                component.move_resource_to_block_cache(address)

    before = vars(processing_utils).copy()
    with no_downloads():
        asyncio.run(ask())
    assert vars(processing_utils) == before
