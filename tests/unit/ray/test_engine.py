import pytest

from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly
from condetr.ray.cluster import address_of
from condetr.ray.engine import block_of

LARGE, SMALL = Preprocessing(), Preprocessing(size=Edges(240, 320))


@pytest.mark.parametrize(
    ("preprocessing", "batch", "images"),
    [
        (SMALL, 1, 8),
        (LARGE, 1, 8),
        (SMALL, 4, 16),  # a window of the predictor: the same batches as without Ray
        (LARGE, 16, 16),  # a whole batch, though it has more pixels than a block should
        (LARGE, 8, 15),
        (Preprocessing(do_resize=False), 4, 8),
        (Preprocessing(size=Exactly(4000, 4000)), 1, 1),
        (Preprocessing(pad_size=Exactly(2000, 2000)), 1, 4),
    ],
)
def test_blocks_are_bounded_by_pixels(preprocessing, batch, images):
    assert block_of(preprocessing, batch)[0] == images


def test_the_address_is_that_of_the_job_unless_it_is_named(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert address_of(None) == "local"
    monkeypatch.setenv("RAY_ADDRESS", "ray-head:6379")
    assert address_of(None) == "ray-head:6379"
    assert address_of("auto") == "auto"
