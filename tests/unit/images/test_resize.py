import numpy as np
import pytest
import torch
from PIL import Image
from PIL.Image import Resampling
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import resize as torchvision_resize

from condetr.core.errors import SettingsError
from condetr.images import resize
from condetr.images.decoding import pillow_memory as memory
from condetr.images.decoding.pillow_memory import pixels_in_place, pixels_of
from condetr.images.resize import planes_of
from tests.unit.images.images import noise

LARGE = (2300, 2100)  # over 16 MiB as PIL keeps it, so in several blocks
FILTERS = {
    Resampling.NEAREST: InterpolationMode.NEAREST_EXACT,
    Resampling.BILINEAR: InterpolationMode.BILINEAR,
    Resampling.BICUBIC: InterpolationMode.BICUBIC,
    Resampling.LANCZOS: InterpolationMode.LANCZOS,
}


def planar(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


@pytest.fixture
def no_arrow(monkeypatch):
    """A Pillow that does not show its memory."""
    monkeypatch.setattr(memory, "pixels_in_place", lambda image: None)
    monkeypatch.setattr(resize, "pixels_in_place", lambda image: None)


def test_pixels_are_read_in_place():
    image = noise(20, 30).copy()
    pixels = pixels_in_place(image)
    assert np.array_equal(pixels[..., :3], image)
    image.putpixel((0, 0), (1, 2, 3))
    assert pixels[0, 0, :3].tolist() == [1, 2, 3]


def test_pixels_outlive_their_image():
    expected = np.array(noise(200, 300))
    pixels = pixels_in_place(noise(200, 300).copy())
    churn = [Image.new("RGB", (300, 200), "red") for _ in range(10)]
    assert np.array_equal(pixels[..., :3], expected)
    assert churn


def test_an_image_that_can_still_be_changed_after_it_was_read():
    image = noise(20, 30)
    pixels_in_place(image)
    image.paste((1, 2, 3), (0, 0, 5, 5))
    assert image.getpixel((0, 0)) == (1, 2, 3)


def test_a_large_image_is_in_pieces():
    image = noise(*LARGE).copy()
    assert pixels_in_place(image) is None
    assert np.array_equal(pixels_of(image), image)


@pytest.mark.parametrize("size", [(80, 90), (2400, 90), (80, 2300), (2400, 2300), (2300, 90), (80, 2100)])
@pytest.mark.parametrize("resample", FILTERS)
def test_a_large_image_comes_out_as_if_resized_at_once(resample, size):
    image = noise(*LARGE)
    expected = torchvision_resize(planar(image), list(size), FILTERS[resample])
    assert torch.equal(resize.resize(image, size, resample, "torchvision"), expected)


def test_where_torch_lacks_the_operator_a_large_image_is_resized_at_once(monkeypatch):
    monkeypatch.setattr(resize, "_OPERATORS", {"bilinear": "_no_such_operator"})
    resize._operator_of.cache_clear()
    image = noise(*LARGE)
    expected = torchvision_resize(planar(image), [80, 90])
    assert torch.equal(resize.resize(image, (80, 90), Resampling.BILINEAR, "torchvision"), expected)
    assert resize._operator_of("bilinear") is None
    resize._operator_of.cache_clear()


def test_where_python_does_not_expose_memory_the_pixels_are_copied(monkeypatch):
    image = noise(20, 30)
    monkeypatch.setattr(memory.ctypes, "pythonapi", object())
    assert pixels_in_place(image) is None
    assert np.array_equal(pixels_of(image), image)


def test_where_torch_does_not_keep_bytes_between_the_passes_it_is_done_at_once(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    image = noise(*LARGE)
    expected = torchvision_resize(planar(image), [80, 90])
    assert torch.equal(resize.resize(image, (80, 90), Resampling.BILINEAR, "torchvision"), expected)


@pytest.mark.parametrize("size", [(8, 9), (40, 9), (8, 50), (40, 50)])
@pytest.mark.parametrize("resample", FILTERS)
def test_a_small_image_is_resized_as_by_torchvision(resample, size):
    image = noise(20, 30)
    expected = torchvision_resize(planar(image), list(size), FILTERS[resample])
    assert torch.equal(resize.resize(image, size, resample, "torchvision"), expected)
    assert torch.equal(resize.resize(planar(image), size, resample, "torchvision"), expected)


def test_without_arrow_the_pixels_are_the_same(no_arrow):
    image = noise(600, 30)
    expected = torchvision_resize(planar(image), [80, 20])
    assert torch.equal(resize.resize(image, (80, 20), Resampling.BILINEAR, "torchvision"), expected)
    assert torch.equal(planes_of(image), planar(image))


@pytest.mark.parametrize("resample", Resampling)
def test_pil_numbers_are_those_of_pil(resample):
    image = noise(20, 30)
    expected = planar(image.resize((50, 8), resample))
    assert torch.equal(resize.resize(image, (8, 50), resample, "pil"), expected)
    assert torch.equal(resize.resize(planar(image), (8, 50), resample, "pil"), expected)
    floats = resize.resize(planar(image).float(), (8, 50), resample, "pil")
    assert (floats - expected).abs().max() <= 1.5 if resample == Resampling.BILINEAR else floats.shape == expected.shape


def test_a_filter_that_torchvision_lacks_is_refused():
    with pytest.raises(SettingsError, match="no HAMMING filter"):
        resize.resize(noise(20, 30), (8, 9), Resampling.HAMMING, "torchvision")
