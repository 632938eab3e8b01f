"""The page without a browser; tests/end_to_end/test_demo.py has one."""

import asyncio

import pytest
from PIL import Image

pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')

import gradio

from condetr.serving.look import Look
from condetr.serving.page import _as_sent, page
from tests.unit.serving.served import Watched, encoded, predictor_of


@pytest.fixture
def detector():
    return Watched()


def handlers_of(detector, folder, **options):
    given = {"title": "tiny", "scenes": [], "threshold": 0.5, "pixels": 10_000, "folder": folder}

    async def build():  # gradio makes an event loop of its own where none runs, and leaves it open
        return page(predictor_of(detector), **given | options)

    return {one.fn.__name__: one.fn for one in asyncio.run(build()).fns.values()}


def test_sliding_and_clicking_look_no_second_time(detector, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded())
    handlers = handlers_of(detector, tmp_path)
    look = handlers["look"](str(tmp_path / "a.png"), None, None)[0]
    assert len(detector.batches) == 1
    tables = [handlers["show"](look, least, chosen)[1]["data"] for least in (0.0, 0.81, 0.9) for chosen in (None, 0)]
    assert len(detector.batches) == 1
    assert len(tables[0]) > len(tables[-1])


def test_what_the_heads_looked_at_is_shown_for_the_one_that_is_chosen(detector, tmp_path):
    asked = []

    def explain(picture, place):
        asked.append((picture.size, place))
        return Image.new("RGB", (5, 5))

    (tmp_path / "a.png").write_bytes(encoded())
    handlers = handlers_of(detector, tmp_path, explain=explain)
    look = handlers["look"](str(tmp_path / "a.png"), None, None)[0]
    assert isinstance(look, Look)
    assert handlers["show"](look, 0.0, None)[-1] is None
    assert handlers["show"](look, 0.0, 2)[-1].size == (5, 5)
    assert asked == [((40, 30), 2)]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\nxx", encoded(200, 200)])
def test_no_picture_is_told_without_its_place(detector, tmp_path, monkeypatch, content):
    (tmp_path / "a.png").write_bytes(content)
    told = []
    monkeypatch.setattr(gradio, "Warning", lambda message, **more: told.append(message))
    handlers = handlers_of(detector, tmp_path)
    seen, last = handlers["look"](str(tmp_path / "a.png"), None, None)
    assert handlers["look"](last, last, seen) == (None, last)
    assert len(told) == 1
    assert str(tmp_path) not in told[0]
    assert "<" not in told[0]
    assert handlers["show"](seen, 0.5, None)[1]["data"] == []


def test_the_same_picture_is_looked_at_once(detector, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded())
    look = handlers_of(detector, tmp_path)["look"]
    seen, last = look(str(tmp_path / "a.png"), None, None)
    assert look(last, last, seen) == (seen, last)
    assert len(detector.batches) == 1
    assert look(None, last, seen) == (None, None)


@pytest.mark.parametrize("address", ["http://127.0.0.1/a.png", "https://example.com/a.png", "file:///etc/passwd"])
def test_no_address_is_fetched(address):
    async def send():
        upload = _as_sent(gradio.Image())
        with pytest.raises(gradio.Error) as first:
            await upload.async_move_resource_to_block_cache(address)
        with pytest.raises(gradio.Error) as second:
            upload.move_resource_to_block_cache(address)
        return first.value.message, second.value.message

    assert all("URL input is disabled" in said for said in asyncio.run(send()))
