import pytest

from condetr.core.errors import SettingsError
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training.preparation import note_on_size, resized


@pytest.mark.parametrize(
    ("known", "image_size", "max_size", "becomes"),
    [
        ((96, 96), 120, None, (120, 120)),  # alone it was refused
        ((800, 1333), 1600, None, (1600, 2666)),
        ((800, 1333), 480, None, (480, 1333)),
        ((800, 1333), 1600, 1800, (1600, 1800)),
        ((96, 96), None, None, (96, 96)),
        ((96, 96), None, 128, (96, 128)),
        ((None, 96), 120, None, (120, 120)),
        ((96, None), 120, None, (120, None)),
    ],
)
def test_the_longer_edge_follows_where_it_must(known, image_size, max_size, becomes):
    before = Preprocessing(size=Edges(*known))
    now = resized(before, image_size, max_size)
    assert now.size == Edges(*becomes)
    if max_size is None:
        assert (note_on_size(before, now) is None) == (becomes[1] == known[1])


def test_what_is_asked_for_itself_must_fit():
    with pytest.raises(SettingsError, match="max_size: is 64, less than the shorter edge, 96"):
        resized(Preprocessing(size=Edges(96, 96)), None, 64)
    with pytest.raises(SettingsError, match="max_size: is 64, less than the shorter edge, 120"):
        resized(Preprocessing(size=Edges(96, 96)), 120, 64)
