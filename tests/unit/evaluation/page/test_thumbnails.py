from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from condetr.evaluation.page.thumbnails import thumbnails


@pytest.fixture
def photos(tmp_path):
    """Soft noise, 480 x 320, and a file that is no image."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path in paths:
        noise = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
        noise.resize((480, 320), Image.Resampling.BICUBIC).save(path)
    (tmp_path / "broken.png").write_bytes(b"no image")
    return [*paths[:3], tmp_path / "broken.png", *paths[3:]]


@pytest.mark.parametrize("room", [10000, 20000, 60000])
def test_they_fit_into_their_room_and_fill_it(photos, room):
    made = thumbnails(photos, room)
    assert made[3] == ""
    total = sum(map(len, made))
    assert total <= room * 1.05  # estimated from a sample
    assert total > room / 6
    for text in (*made[:3], *made[4:]):
        with Image.open(BytesIO(b64decode(text))) as image:
            assert image.format == "WEBP"
            assert image.width == pytest.approx(1.5 * image.height, abs=1)


def test_without_room_they_are_smallest_and_with_it_no_larger_than_their_image(photos, tmp_path):
    with Image.open(BytesIO(b64decode(thumbnails(photos, 10)[0]))) as image:
        assert image.size == (64, 43)
    Image.new("RGB", (40, 30)).save(tmp_path / "small.png")
    with Image.open(BytesIO(b64decode(thumbnails([tmp_path / "small.png"], 10**6)[0]))) as image:
        assert image.size == (40, 30)
    assert thumbnails([], 10) == []
