import numpy as np
import pytest
import torch
from scipy import ndimage

from condetr.images.masks.outlines import one_polygon, polygons_of_mask
from condetr.images.masks.polygons import mask_of_polygons


def mask_of(*rows):
    return torch.tensor([[char == "#" for char in row] for row in rows])


def test_a_rectangle_has_four_corners():
    (polygon,) = polygons_of_mask(mask_of(".....", ".###.", ".###.", "....."))
    points = {tuple(point) for point in np.reshape(polygon, (-1, 2))}
    assert (len(polygon), points) == (8, {(1, 1), (4, 1), (4, 3), (1, 3)})


def test_no_pixels_give_no_polygon():
    assert polygons_of_mask(torch.zeros(4, 5, dtype=torch.bool)) == []


@pytest.mark.parametrize(
    ("mask", "parts"),
    [
        (mask_of("#"), 1),
        (mask_of("#.", ".#"), 2),
        (mask_of("#.#", ".#.", "#.#"), 5),
        (mask_of("###", "#.#", "###"), 1),
        (mask_of("####", "#..#", "####", "...#"), 1),
        (mask_of("#####", "#.#.#", "#####"), 1),
        (mask_of("#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"), 2),
        (mask_of("###.", "#.#.", "##.#", "...#"), 2),
        (mask_of(".##", "#.#", "##."), 2),
    ],
)
def test_holes_parts_and_corners_that_touch(mask, parts):
    polygons = polygons_of_mask(mask)
    assert len(polygons) == parts
    assert mask_of_polygons(polygons, tuple(mask.shape)).equal(mask)
    assert mask_of_polygons([one_polygon(polygons)], tuple(mask.shape)).equal(mask)


@pytest.mark.parametrize("seed", range(40))
def test_any_mask_comes_back(seed):
    rng = np.random.default_rng(seed)
    noise = rng.random((int(rng.integers(1, 40)), int(rng.integers(1, 40))))
    mask = torch.from_numpy((ndimage.gaussian_filter(noise, seed % 4) if seed % 4 else noise) > 0.5)
    polygons = polygons_of_mask(mask)
    if not polygons:
        assert not mask.any()
        return
    assert mask_of_polygons(polygons, tuple(mask.shape)).equal(mask)
    assert mask_of_polygons([one_polygon(polygons)], tuple(mask.shape)).equal(mask)


def test_a_tolerance_leaves_out_corners_and_little_else():
    y, x = np.mgrid[:200, :300]
    mask = torch.from_numpy(((x - 150) / 120) ** 2 + ((y - 90) / 70) ** 2 < 1)
    (exact,), (simple,) = polygons_of_mask(mask), polygons_of_mask(mask, tolerance=1.0)
    assert len(simple) < len(exact) / 5
    other = mask_of_polygons([simple], (200, 300))
    assert (mask & other).sum() / (mask | other).sum() > 0.98


def test_the_smallest_masks_survive_any_tolerance():
    mask = mask_of("....", ".##.", ".#..", "....")
    polygons = polygons_of_mask(mask, tolerance=50)
    assert mask_of_polygons(polygons, (4, 4)).any()
