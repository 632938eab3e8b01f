"""Every hostile or unusual image of the corpus, sent to the service."""

import io
import json
import re
import struct
import zlib

import pytest
from PIL import Image

from tests.tiny import tiny_segmenter
from tests.unit.serving.protocol.test_responses import form, form_type
from tests.unit.serving.served import Watched, encoded, predictor_of, serving

INSIDES = re.compile(
    r"Traceback|\.py\b|0x[0-9a-f]{6}|site-packages|/(?:work|root|home|usr|tmp)/|BytesIO|[Pp]illow|PIL\b"
)


def is_clean(answer):
    assert answer.status == 200 or 400 <= answer.status < 500, answer.body
    if answer.status != 200:
        assert answer.error["code"] == "image"
        assert answer.error["message"]
        assert not INSIDES.search(answer.error["message"]), answer.error["message"]
    return True


@pytest.fixture(scope="module")
def corpus(shared):
    folder = shared / "badinputs/public"
    cases = [case for case in json.loads((folder / "manifest.json").read_text()) if case["group"] == "image"]
    files = [folder / case["file"] for case in cases if "file" in case]
    assert len(files) > 30
    return files


def test_every_image_of_the_corpus_is_answered_or_refused(corpus, service):
    refused = 0
    for file in corpus:
        content = file.read_bytes()
        for answer in (
            service.predict(content),
            service.predict(form(content, filename=file.name), headers=form_type()),
        ):
            if not content:
                assert answer.status in (400, 422)
                continue
            assert is_clean(answer), file.name
            refused += answer.status != 200
    assert refused > 20
    assert service.predict(encoded()).status == 200


def test_with_masks_too(corpus):
    with serving(predictor=predictor_of(tiny_segmenter(), task="instance"), threshold=0.6) as served:
        for file in corpus:
            content = file.read_bytes()
            assert not content or is_clean(served.predict(content, "?masks=true")), file.name
        assert served.predict(encoded(), "?masks=true").status == 200


def test_so_it_is_on_the_page(corpus, tmp_path, monkeypatch):
    pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')
    from tests.unit.serving.page.test_page import handlers_of, sent

    monkeypatch.setattr("gradio.Warning", lambda message: None)
    handlers = handlers_of(Watched(), tmp_path, pixels=50_000_000)
    refused = 0
    for file in corpus:
        current, _ = handlers["detect"](sent(file), None, "")
        _, table, text, *_ = handlers["show"](current, 0.5, None)
        if isinstance(current, str):
            assert table["data"] == [], file.name
            assert not INSIDES.search(text), text
            refused += 1
    assert refused > 10


def png_of(width, height):
    """An image of a few bytes that decodes to a great many."""
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(bytes(1 + width // 8 + 1)) for _ in range(50)) + rows.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b"")]
    text = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + text


@pytest.mark.parametrize("side", [20_000, 13_000])
def test_a_bomb_is_refused_from_its_head(service, side):
    def resident():
        text = service.get("/metrics").body.decode()
        return float(re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)[1])

    before = resident()
    answer = service.predict(png_of(side, side))
    assert answer.status == 422
    assert "over the limit of 50000000 pixels" in answer.error["message"]
    assert service.entry_of(answer)["ms"] < 1000
    assert resident() - before < 50e6


def test_the_first_of_many_is_found_in(service):
    file = io.BytesIO()
    first, second = (Image.open(io.BytesIO(encoded(seed=seed))).convert("RGB") for seed in (0, 1))
    first.save(file, "TIFF", save_all=True, append_images=[second])
    assert service.predict(file.getvalue()).json == service.predict(encoded(seed=0)).json
