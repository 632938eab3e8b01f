import pytest

from condetr.core.errors import SettingsError
from condetr.images.sizes import Edges, Exactly, Within, pad_size_of, size_of


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"shortest_edge": 800, "longest_edge": 1333}, Edges(800, 1333)),
        ({"shortest_edge": 800}, Edges(800, None)),
        ({"shortest_edge": 800, "longest_edge": None, "height": None}, Edges(800, None)),
        ({"longest_edge": 1333}, Edges(None, 1333)),
        ({"height": 40, "width": 56}, Exactly(40, 56)),
        ({"max_height": 50, "max_width": 40}, Within(50, 40)),
        (800, Edges(800, None)),
        (800.0, None),
        ((40, 56), Exactly(40, 56)),
        (Edges(1, 2), Edges(1, 2)),
    ],
)
def test_documented_forms_are_read(value, size):
    if size is None:
        with pytest.raises(SettingsError):
            size_of(value)
    else:
        assert size_of(value) == size


def test_an_old_max_size_bounds_a_bare_edge():
    assert size_of(800, longest=1333) == size_of({"shortest_edge": 800}, longest=1333) == Edges(800, 1333)


@pytest.mark.parametrize(
    "value",
    [0, -5, True, "800", None, {}, {"height": 5}, {"shortest_edge": -800}, {"height": 1.5, "width": 2}, (1, 2, 3)],
)
def test_other_forms_are_refused(value):
    with pytest.raises(SettingsError, match="size"):
        size_of(value)


def test_sizes_are_written_as_they_were_read():
    for value in (
        {"shortest_edge": 8, "longest_edge": 9},
        {"height": 4, "width": 5},
        {"max_height": 5, "max_width": 4},
    ):
        assert size_of(value).to_dict() == value


def test_pad_size_needs_height_and_width():
    assert pad_size_of({"height": 4, "width": 5}, "pad_size") == Exactly(4, 5)
    with pytest.raises(SettingsError, match="pad_size"):
        pad_size_of({"shortest_edge": 4, "longest_edge": 5}, "pad_size")


@pytest.mark.parametrize(
    ("size", "image", "torchvision", "pil"),
    [
        (Edges(640, 640), (653, 958), (436, 640), (436, 639)),
        (Edges(800, 1333), (600, 1001), (799, 1333), (799, 1332)),
        (Edges(800, 1333), (480, 640), (800, 1066), (800, 1066)),
        (Edges(800, 1333), (800, 1200), (800, 1200), (800, 1200)),
        (Edges(32, 50), (20, 130), (8, 50), (8, 52)),
        (Edges(800, None), (100, 400), (800, 3200), (800, 3200)),
        (Edges(None, 100), (50, 200), (25, 100), (25, 100)),
        (Exactly(40, 56), (97, 64), (40, 56), (40, 56)),
        (Within(50, 40), (97, 64), (49, 32), (49, 32)),
        (Edges(800, 1333), (5000, 1), (1333, 1), (1333, 1)),
        (Edges(800, 1333), (1, 1), (800, 800), (800, 800)),
        (Within(50, 40), (1, 5000), (1, 40), (1, 40)),
    ],
)
def test_images_fit(size, image, torchvision, pil):
    assert size.fit(image, "torchvision") == torchvision
    assert size.fit(image, "pil") == pil
