import numpy as np

from condetr.data.checks.contact_sheet import contact_sheet, evenly_spread
from condetr.data.discovery.formats import read_dataset
from condetr.images.drawing.colors import color_of


def test_shows_images_with_boxes_in_the_colors_of_their_classes(coco):
    dataset = read_dataset(coco())
    sheet = contact_sheet(dataset, range(3), columns=2, side=100)
    pixels = np.asarray(sheet).reshape(-1, 3)
    assert sheet.width == 2 * 100 + 3 * 6
    for label in (0, 1):
        assert (pixels == color_of(label)).all(axis=1).sum() > 50
    assert (pixels == (128, 128, 128)).all(axis=1).sum() > 50, "the crowd is gray"


def test_positions_from_first_to_last():
    assert evenly_spread(10, 4) == [0, 3, 6, 9]
    assert evenly_spread(2, 4) == [0, 1]
    assert evenly_spread(5, 1) == [0]
