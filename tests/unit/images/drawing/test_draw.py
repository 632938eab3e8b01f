import numpy as np
import pytest
import torch
from PIL import Image

from condetr.images.detection import Detection
from condetr.images.drawing.colors import color_of, ink_on
from condetr.images.drawing.draw import draw

GRAY = (90, 90, 90)


def thing(box, score=0.9, label=17, name="cat"):
    return Detection(box, score, label, name)


def painted(width, height, *found):
    """Where a gray image is not gray any more."""
    image = Image.new("RGB", (width, height), GRAY)
    result = np.asarray(draw(image, found))
    assert np.asarray(image).max() == 90  # the given one is left alone
    return result, (result != GRAY).any(2)


def contrast(one, other):
    def luminance(color):
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(color) / 255]
        return np.dot(parts, (0.2126, 0.7152, 0.0722))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_box_is_outlined_and_labelled():
    pixels, changed = painted(400, 300, thing((50, 100, 200, 250)))
    assert changed[100:251, 50].all()
    assert changed[250, 50:201].all()
    assert not changed[120:240, 60:190].any()  # the inside stays
    chip = pixels[85:99, 52:80].reshape(-1, 3)
    assert (chip == color_of(17)).all(1).any()


@pytest.mark.parametrize(
    "box", [(-50, -50, 900, 900), (390, 290, 400, 300), (0, 0, 3, 3), (0, 250, 400, 300), (7, 7, 7, 7)]
)
@pytest.mark.parametrize("size", [(400, 300), (30, 20), (5, 400), (1, 1)])
def test_labels_and_boxes_stay_inside_whatever_the_size(size, box):
    assert painted(*size, thing(box, name="a very long name of a class " * 9))[1].any()


def test_a_label_at_the_edge_is_moved_to_where_it_can_be_read():
    for box in ((380, 100, 399, 250), (380, -50, 399, 250), (-30, 100, 10, 250), (150, 290, 199, 350)):
        edge, _ = painted(400, 300, thing(box))
        rows = (edge == color_of(17)).all(2).sum(1)
        assert rows.max() > 40  # the width of the label less its letters


def test_labels_grow_with_the_image():
    heights = []
    for scale in (1, 4):
        box = tuple(scale * edge for edge in (50.0, 100.0, 200.0, 250.0))
        _, changed = painted(400 * scale, 300 * scale, thing(box))
        heights.append(changed[: 98 * scale, 60 * scale].sum())
    assert heights[1] > 2 * heights[0]


def test_labels_avoid_each_other():
    boxes = [thing((50, 100, 200, 250), score=s, label=i) for i, s in enumerate((0.9, 0.8, 0.7))]
    pixels, _ = painted(400, 300, *boxes)
    for box in boxes:
        assert (pixels == color_of(box.label)).all(2).sum() > 300  # a whole chip of each


def test_masks_tint_their_pixels():
    mask = torch.zeros(1, 100, 200, dtype=torch.bool)
    mask[0, 5:10, 5:10] = True
    result = np.asarray(draw(Image.new("RGB", (200, 100), GRAY), [thing((100, 60, 190, 90))], mask))
    assert (result[5:10, 5:10] != GRAY).any(2).all()
    assert (result[5:10, 12:16] == GRAY).all()


def test_names_of_any_characters_can_be_drawn():
    for name in ("", "café", "猫 🐈", "two\nlines", "<script>", "\udcff"):
        painted(200, 100, thing((10, 50, 90, 90), name=name))


def test_every_label_is_readable_on_its_color():
    assert min(contrast(color_of(label), ink_on(color_of(label))) for label in range(200)) > 4.5


def test_classes_differ_and_keep_their_color():
    colors = [color_of(label) for label in range(91)]
    assert colors == [color_of(label) for label in range(91)]
    distances = [
        np.abs(np.subtract(one, other)).sum() for i, one in enumerate(colors) for other in colors[i + 1 : i + 8]
    ]
    assert min(distances) > 60
    assert len(set(colors)) == 91
