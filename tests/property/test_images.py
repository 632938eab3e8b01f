import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from condetr.images.coco_labels.detection import detection_labels
from condetr.images.coco_labels.resizing import normalize_labels, resize_labels
from condetr.images.decoding.decode import decode
from condetr.images.masks.polygons import mask_of_polygons
from condetr.images.masks.rle import box_of_rle, mask_of_rle, rle_of_mask
from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of
from condetr.images.sizes import Edges, Exactly, Size, Within

sides = st.integers(1, 6000)
sizes = st.one_of(st.builds(Edges, sides, sides), st.builds(Within, sides, sides), st.builds(Exactly, sides, sides))
numerics = st.sampled_from(("torchvision", "pil"))


@given(size=sizes, image=st.tuples(sides, sides), rounding=numerics)
def test_no_side_is_ever_0(size: Size, image, rounding):
    assert min(size.fit(image, rounding)) >= 1


@given(shortest=sides, longest=sides, image=st.tuples(st.integers(20, 6000), st.integers(20, 6000)))
def test_the_exact_rule_keeps_both_bounds(shortest, longest, image):
    height, width = Edges(shortest, longest).fit(image, "torchvision")
    if (height, width) != image:
        assert max(height, width) <= max(longest, shortest + 1)
        assert min(height, width) <= shortest


@settings(deadline=None, max_examples=30)
@given(image=st.tuples(st.integers(1, 90), st.integers(1, 90)), shortest=st.integers(1, 60), numerics=numerics)
def test_any_image_is_prepared(image, shortest, numerics):
    preprocessing = Preprocessing(size=Edges(shortest, 2 * shortest), numerics=numerics)
    batch = preprocessing.prepare([Image.new("RGB", (image[1], image[0]), (255, 128, 0))])
    assert batch.pixels.shape[2:] == batch.resized_sizes[0]
    assert batch.pixels.isfinite().all()
    assert (batch.pixels.flatten(2).amax(2) - batch.pixels.flatten(2).amin(2)).max() < 0.05  # one color stays one


coordinates = st.floats(-500, 500, allow_nan=False)


@settings(deadline=None)
@given(
    boxes=st.lists(st.tuples(coordinates, coordinates, st.floats(-10, 900), st.floats(-10, 900)), max_size=6),
    old=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    new=st.tuples(st.integers(1, 400), st.integers(1, 400)),
)
def test_boxes_stay_inside_the_image(boxes, old, new):
    objects = [{"id": i, "bbox": list(box), "category_id": 1, "area": 1} for i, box in enumerate(boxes)]
    labels = detection_labels({"image_id": 1, "annotations": objects}, old)
    relative = normalize_labels(resize_labels(labels, old, new), new)["boxes"]
    corners = torch.cat((relative[:, :2] - relative[:, 2:] / 2, relative[:, :2] + relative[:, 2:] / 2), 1)
    assert (corners >= -1e-5).all()
    assert (corners <= 1 + 1e-5).all()
    assert (relative[:, 2:] > 0).all()


@settings(deadline=None)
@given(orientation=st.integers(1, 8), height=st.integers(1, 9), width=st.integers(1, 9))
def test_turning_never_loses_a_pixel(orientation, height, width):
    pixels = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", exif=exif.tobytes())
    upright = np.asarray(decode(stream.getvalue()))
    assert upright.shape[:2] == ((height, width) if orientation < 5 else (width, height))
    assert sorted(map(tuple, upright.reshape(-1, 3))) == sorted(map(tuple, pixels.reshape(-1, 3)))


@given(bits=st.lists(st.booleans(), min_size=1, max_size=200), height=st.integers(1, 7))
def test_run_lengths_are_reversible(bits, height):
    width = -(-len(bits) // height)
    mask = torch.tensor((bits * height)[: height * width]).reshape(height, width)
    assert torch.equal(mask_of_rle(rle_of_mask(mask), (height, width)), mask)


places = st.floats(-20, 90) | st.integers(-20, 90) | st.integers(-40, 180).map(lambda half: half / 2)
far = st.floats(-3000, 3000)
corners = st.lists(st.tuples(places, places) | st.tuples(far, far), min_size=3, max_size=9)
thin = st.tuples(places, places, st.sampled_from([0, 0.1, 1]), places).map(
    lambda of: [(of[0], of[1]), (of[0] + of[2], of[3]), (of[0], of[3])]
)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11 with numpy 2
@settings(deadline=None, max_examples=300)
@given(
    polygons=st.lists(corners | thin, min_size=1, max_size=3), size=st.tuples(st.integers(1, 70), st.integers(1, 70))
)
def test_polygons_cover_what_cocos_tools_say(polygons, size):
    """Crossing themselves and each other, with repeated corners, thin, outside of the image."""
    coco = pytest.importorskip("pycocotools.mask")
    flat = [[float(position) for corner in polygon for position in corner] for polygon in polygons]
    expected = coco.decode(coco.merge(coco.frPyObjects(flat, *size))).astype(bool)
    assert np.array_equal(mask_of_polygons(flat, size), expected)


@given(bits=st.lists(st.booleans(), min_size=1, max_size=60), height=st.integers(1, 9))
def test_boxes_of_run_lengths_are_those_of_the_pixels(bits, height):
    mask = torch.tensor((bits * height)[: -(-len(bits) // height) * height]).reshape(-1, height).T
    rows, columns = mask.nonzero().unbind(1)
    box = box_of_rle(rle_of_mask(mask), tuple(mask.shape))
    if box is None:
        assert not mask.any()
    else:
        assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.floats(0, 1), top_k=st.integers(1, 80))
def test_scores_fall_and_are_above_the_threshold(seed, threshold, top_k):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 9, 5, generator=generator) * 4
    found = detections_of(logits, torch.rand(2, 9, 4, generator=generator), threshold=threshold, top_k=top_k)
    for result in found:
        assert len(result.scores) <= min(top_k, 45)
        assert (result.scores > threshold).all()
        assert (result.scores.diff() <= 0).all()
        pairs = set(zip(result.queries.tolist(), result.labels.tolist(), strict=True))
        assert len(pairs) == len(result.scores)
