import logging

import numpy as np
import pytest
import torch

from condetr.core.errors import ImageError, UsageError
from condetr.images.decoding import arrays
from condetr.images.decoding.arrays import image_of_array
from condetr.images.image_inputs import image_of, images_of, pil_of
from tests.unit.images.images import assert_quarters, encoded, noise, quarters

LEVELS = np.asarray(noise(20, 30))
REFERENCE = torch.from_numpy(LEVELS.copy()).permute(2, 0, 1)


@pytest.fixture(autouse=True)
def _nothing_warned_yet():
    arrays._warn_once.cache_clear()


@pytest.mark.parametrize(
    "array",
    [
        LEVELS,
        np.asfortranarray(LEVELS),
        LEVELS[::-1].copy()[::-1],
        LEVELS.transpose(2, 0, 1),
        LEVELS.astype(np.int64),
        LEVELS.astype(">i4"),
        LEVELS.astype(np.uint16),
        torch.from_numpy(LEVELS.copy()),
        LEVELS.tolist(),
    ],
    ids=["hwc", "fortran", "upside down", "chw", "int64", "big endian", "uint16", "tensor", "list"],
)
def test_the_same_whole_numbers_are_the_same_image(array):
    image = image_of_array(array)
    assert image.dtype == torch.uint8
    assert torch.equal(image, REFERENCE)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_255_or_of_1_are_the_same_image(dtype):
    levels = LEVELS.astype(dtype)
    torch.testing.assert_close(image_of_array(levels), REFERENCE.float())
    torch.testing.assert_close(image_of_array(levels / 255), REFERENCE.float(), atol=0.1, rtol=0)  # float16


def test_bfloat16_is_a_float():
    assert torch.equal(image_of_array(REFERENCE.bfloat16()), REFERENCE.bfloat16().float())


def test_floats_of_1_are_warned_of_once(caplog):
    with caplog.at_level(logging.WARNING):
        image_of_array(LEVELS / 255)
        image_of_array(LEVELS / 255)
    assert [record.message for record in caplog.records] == [
        "array: floats in 0..1 are taken as already rescaled; pass do_rescale=False to confirm"
    ]


def test_floats_that_overshoot_a_little_are_clipped():
    image = image_of_array(np.array([[-0.0005, 1.0005], [0, 0.5]], np.float32))
    assert image[0].tolist() == [[0, 255], [0, 127.5]]


def test_what_is_not_rescaled_may_be_of_any_range():
    levels = LEVELS.astype(np.float32) / 64 - 2
    assert torch.equal(image_of_array(levels, rescaled=False), torch.from_numpy(levels).permute(2, 0, 1))
    with pytest.raises(ImageError, match="not finite"):
        image_of_array(np.full((20, 30, 3), np.inf), rescaled=False)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (1, 20, 30)])
def test_one_channel_is_gray(shape):
    image = image_of_array(LEVELS[..., 0].reshape(shape))
    assert torch.equal(image, REFERENCE[:1].expand(3, -1, -1))


@pytest.mark.parametrize("scale", [1, 255])
def test_four_channels_show_white_where_transparent(scale):
    opacity = np.full((20, 30, 1), 255)
    opaque = np.concatenate((LEVELS, opacity), axis=2) / scale
    opaque = opaque.astype(np.uint8) if scale == 1 else opaque
    torch.testing.assert_close(image_of_array(opaque).float(), REFERENCE.float())
    opaque[0, 0, 3] = 0
    assert image_of_array(opaque)[:, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (LEVELS > 3, "bool array .* dtype"),
        (LEVELS.astype(np.complex64), "complex64 array .* dtype"),
        (np.array([["a"]]), "dtype <U1"),
        ([[1, 2], [3]], "list is not an image"),
        (np.zeros((0, 30, 3)), "empty"),
        (np.zeros((20, 30, 5), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((2, 2, 2, 2, 2)), "2 or 3 axes"),
        (np.zeros((3, 40, 3), np.uint8), "ambiguous.*input_data_format"),
        (LEVELS / 64 - 2, "range from -2 to 1.98.*0..255.*normalized already"),
        (np.full((20, 30, 3), 1e30), "range from 1e.30"),
        (np.full((20, 30, 3), np.nan), "range from nan"),
        (LEVELS.astype(np.int32) - 5, "range from -5"),
        (LEVELS.astype(np.uint16) * 257, "uint16 array .* to 65535"),
    ],
)
def test_arrays_that_are_not_images_are_refused(array, says):
    with pytest.raises(ImageError, match=says):
        image_of_array(array)


def test_the_order_of_ambiguous_axes_can_be_set():
    array = np.zeros((3, 40, 3), np.uint8)
    array[0] = 9
    assert image_of_array(array, input_data_format="channels_first")[0].unique().tolist() == [9]
    assert image_of_array(array, input_data_format="channels_last")[0].unique().tolist() == [0, 9]
    with pytest.raises(UsageError, match="channels_first"):
        image_of_array(array, input_data_format="CHW")
    with pytest.raises(ImageError, match="channels as the first axis"):
        image_of_array(LEVELS, input_data_format="channels_first")


def test_several_images_come_from_lists_and_batches():
    batch = np.stack([LEVELS, LEVELS])
    for images in (batch, torch.from_numpy(batch), [LEVELS, LEVELS], [[LEVELS], [LEVELS]], batch.tolist()):
        assert [tuple(image.shape) for image in images_of(images)] == [(3, 20, 30)] * 2
    assert len(images_of(LEVELS)) == 1
    with pytest.raises(UsageError, match="no image"):
        images_of([])
    with pytest.raises(UsageError, match="NoneType"):
        images_of(None)


def test_files_are_turned_upright_but_pil_images_are_not(tmp_path):
    lying = quarters().rotate(90, expand=True)
    exif = lying.getexif()
    exif[0x0112] = 6
    (tmp_path / "a.png").write_bytes(encoded(lying, "PNG", exif=exif.tobytes()))
    lying.info["exif"] = exif.tobytes()
    (from_file,) = images_of(str(tmp_path / "a.png"))
    (from_pil,) = images_of([lying.convert("RGBA")])
    assert_quarters(from_file, 0)
    assert from_pil.size == lying.size
    assert_quarters(image_of(tmp_path / "a.png"), 0)
    assert_quarters(image_of(lying), 0)
    assert torch.equal(image_of(LEVELS), REFERENCE)


def test_any_image_can_be_given_to_pil():
    assert np.array_equal(pil_of(REFERENCE), LEVELS)
    assert np.array_equal(pil_of(REFERENCE.float() - 0.4), LEVELS)
    assert pil_of(image := quarters()) is image
