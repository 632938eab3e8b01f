import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import DataError, ModelError, SettingsError, UsageError
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly
from tests.unit.images.images import noise

SMALL = Edges(32, 50)


def test_images_are_padded_at_the_bottom_and_on_the_right():
    batch = Preprocessing(size=SMALL).prepare([noise(60, 80), noise(97, 64)])
    assert batch.original_sizes == ((60, 80), (97, 64))
    assert batch.resized_sizes == ((32, 42), (48, 32))
    assert batch.pixels.shape == (2, 3, 48, 42)
    assert batch.pixels.is_contiguous()
    assert len(batch) == 2
    for pixels, mask, (height, width) in zip(batch.pixels, batch.mask, batch.resized_sizes, strict=True):
        assert mask[:height, :width].all()
        assert mask.sum() == height * width
        assert not pixels[:, ~mask].any()


def test_each_image_is_the_same_alone_and_in_a_batch():
    preprocessing = Preprocessing(size=SMALL)
    images = [noise(60, 80), noise(97, 64)]
    batch = preprocessing.prepare(images)
    for pixels, alone in zip(batch.pixels, preprocessing.prepare_each(images), strict=True):
        assert torch.equal(pixels[:, : alone.shape[1], : alone.shape[2]], alone)


def test_a_pil_image_and_its_array_are_the_same():
    image = noise(60, 80)
    array = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    for numerics in ("torchvision", "pil"):
        preprocessing = Preprocessing(size=SMALL, numerics=numerics)
        assert torch.equal(preprocessing.prepare([image]).pixels, preprocessing.prepare([array]).pixels)


def test_levels_are_rescaled_and_normalized():
    image = Image.new("RGB", (4, 4), (255, 0, 51))
    pixels = Preprocessing(do_resize=False).prepare([image]).pixels[0, :, 0, 0]
    expected = (torch.tensor([1, 0, 0.2]) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(pixels, expected)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({"do_normalize": False}, torch.tensor([1, 0, 0.2])),
        (
            {"do_rescale": False, "image_mean": (5.0, 0.0, 1.0), "image_std": (2.0, 1.0, 5.0)},
            torch.tensor([125, 0, 10.0]),
        ),
        ({"do_rescale": False, "do_normalize": False}, torch.tensor([255, 0, 51], dtype=torch.uint8)),
        ({"do_normalize": False, "rescale_factor": 1 / 51}, torch.tensor([5, 0, 1.0])),
    ],
)
def test_steps_can_be_left_out(steps, expected):
    pixels = Preprocessing(do_resize=False, **steps).prepare([Image.new("RGB", (4, 4), (255, 0, 51))]).pixels
    torch.testing.assert_close(pixels[0, :, 0, 0], expected)


def test_floats_stay_floats_where_nothing_is_done_to_them():
    image = torch.rand(3, 4, 4)
    preprocessing = Preprocessing(do_resize=False, do_rescale=False, do_normalize=False)
    assert torch.equal(preprocessing.prepare([image]).pixels[0], image)


def test_a_frame_size_can_be_set():
    batch = Preprocessing(size=SMALL, pad_size=Exactly(48, 64)).prepare([noise(60, 80)])
    assert batch.pixels.shape == (1, 3, 48, 64)
    with pytest.raises(DataError, match="pad_size: is 20x64"):
        Preprocessing(size=SMALL, pad_size=Exactly(20, 64)).prepare([noise(60, 80)])


def test_without_padding_images_of_one_size_make_a_batch():
    preprocessing = Preprocessing(size=SMALL, do_pad=False, pad_size=Exactly(99, 99))
    assert preprocessing.prepare([noise(60, 80), noise(60, 80, seed=1)]).mask.all()
    with pytest.raises(SettingsError, match="do_pad"):
        preprocessing.prepare([noise(60, 80), noise(97, 64)])


def test_no_image_is_no_batch():
    with pytest.raises(UsageError, match="no image"):
        Preprocessing().prepare([])


def test_files_of_both_versions_are_read():
    old = {
        "feature_extractor_type": "ConditionalDetrFeatureExtractor",
        "size": 800,
        "max_size": 1333,
        "do_normalize": True,
    }
    new = {
        "image_processor_type": "ConditionalDetrImageProcessor",
        "size": {"shortest_edge": 800, "longest_edge": 1333},
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "pad_size": None,
        "do_convert_annotations": True,
    }
    assert Preprocessing.from_dict(old).size == Preprocessing.from_dict(new).size == Edges(800, 1333)
    assert Preprocessing.from_dict({}) == Preprocessing()


def test_further_keys_of_a_file_are_written_back():
    settings = {"do_convert_annotations": False, "somebody_elses": [1], "image_mean": 0.5, "format": "coco_panoptic"}
    read = Preprocessing.from_dict(settings)
    assert read.image_mean == (0.5, 0.5, 0.5)
    assert read.carried == {key: settings[key] for key in ("do_convert_annotations", "somebody_elses", "format")}
    assert settings.items() <= (read.to_dict() | {"image_mean": 0.5}).items()
    assert Preprocessing.from_dict(read.to_dict()) == Preprocessing.from_dict(
        settings | {"image_processor_type": "ConditionalDetrImageProcessor"}
    )


def test_old_names_are_read():
    assert not Preprocessing.from_dict({"pad_and_return_pixel_mask": False}).do_pad
    assert Preprocessing.from_dict({"size": 36, "max_size": 60}).size == Edges(36, 60)
    assert Preprocessing.from_dict({"size": {"shortest_edge": 36}, "max_size": 60}).size == Edges(36, 60)
    assert Preprocessing.from_dict({"size": 36}).size == Edges(36, 1333)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"image_mean": [0.5, 0.5]}, "image_mean"),
        ({"image_mean": ["a", 0, 0]}, "image_mean"),
        ({"image_std": [1, 0, 1]}, "image_std"),
        ({"image_std": [1, float("nan"), 1]}, "image_std"),
        ({"size": {"shortest_edge": -800}}, "size"),
        ({"size": {"shortest": 800}}, "size"),
        ({"pad_size": 5}, "pad_size"),
        ({"resample": 77}, "resample"),
        ({"resample": 5}, "resample"),
        ({"rescale_factor": 0}, "rescale_factor"),
        ({"rescale_factor": "1/255"}, "rescale_factor"),
        ({"do_resize": "yes"}, "do_resize"),
    ],
)
def test_a_wrong_value_is_named_by_field_and_file(message, field):
    with pytest.raises(SettingsError, match=rf"^a\.json: {field}") as caught:
        Preprocessing.from_dict(message, source="a.json")
    assert caught.value.item.startswith(field)


def test_json_that_is_not_an_object_is_refused():
    with pytest.raises(SettingsError, match=r"a\.json: is list"):
        Preprocessing.from_dict([], source="a.json")


def test_filters_accept_the_names_of_torchvision():
    assert Preprocessing.from_dict({"resample": "bicubic"}).resample == Image.Resampling.BICUBIC
    assert Preprocessing.from_dict({"resample": "nearest-exact"}).resample == Image.Resampling.NEAREST


HUGE = [1] * 10_000
UNBOUNDED = [
    {"size": {"height": 100_000, "width": 100_000}},
    {"size": {"height": 1_000_001, "width": 1}},
    {"size": {"shortest_edge": 10**300}},
    {"size": 2**62},
    {"size": HUGE},
    {"size": {"a" * 10_000: 1}},
    {"pad_size": {"height": 100_000, "width": 100_000}},
    {"pad_size": {"height": 10**12, "width": 1}},
    {"image_mean": [1e300, 0, 0]},
    {"image_mean": [10**400, 0, 0]},
    {"image_mean": HUGE},
    {"image_mean": float("nan")},
    {"image_std": [1e-300, 1, 1]},
    {"image_std": [1e300, 1, 1]},
    {"image_std": 0},
    {"image_std": [float("inf"), 1, 1]},
    {"rescale_factor": 1e300},
    {"rescale_factor": 1e-300},
    {"rescale_factor": 10**400},
    {"rescale_factor": 0},
    {"rescale_factor": HUGE},
    {"resample": HUGE},
    {"do_resize": "x" * 10_000},
]


@pytest.mark.parametrize("settings", UNBOUNDED, ids=lambda settings: str(settings)[:40])
def test_excessive_settings_are_refused_in_a_short_line(settings):
    (name,) = settings
    for read in (Preprocessing.from_dict, lambda settings: ConditionalDetrImageProcessor(**settings)):
        with pytest.raises(SettingsError) as caught:
            read(settings)
        assert caught.value.item.startswith(name)
        assert len(str(caught.value)) < 400
    with pytest.raises(SettingsError) as caught:
        ConditionalDetrImageProcessor()(noise(8, 8), **settings)
    assert caught.value.item.startswith(name)


@pytest.mark.parametrize(
    "size",
    [{"shortest_edge": 800}, {"max_height": 10**6, "max_width": 10**6}, {"longest_edge": 10**6}],
    ids=str,
)
def test_an_image_that_would_come_out_too_large_is_refused(size):
    image = Image.new("RGB", (1, 5000) if "shortest_edge" in size else (50, 50))
    with pytest.raises(SettingsError, match=r"size: resizes or pads an image to \d+x\d+ .* more than 100000000 pixels"):
        Preprocessing.from_dict({"size": size}).prepare([image])
    with pytest.raises(SettingsError, match="more than 100000000 pixels"):
        ConditionalDetrImageProcessor().resize(image, size)


def test_steps_called_alone_have_the_same_bounds():
    processor = ConditionalDetrImageProcessor()
    with pytest.raises(SettingsError, match="pad_size"):
        processor.pad(noise(8, 8), (100_000, 100_000))
    with pytest.raises(SettingsError, match="image_std"):
        processor.normalize(torch.zeros(3, 2, 2), 0, 0)
    with pytest.raises(SettingsError, match="rescale_factor"):
        processor.rescale(torch.zeros(3, 2, 2), 1e300)


@pytest.mark.parametrize("extreme", [1e-9, 1e9])
def test_what_is_accepted_stays_finite(extreme):
    settings = {"image_mean": [-1e9, 0, 1e9], "image_std": [extreme] * 3, "rescale_factor": 1 / extreme}
    assert Preprocessing.from_dict(settings).prepare([noise(8, 8)]).pixels.isfinite().all()


def test_no_memory_for_a_batch_is_reported(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch, "empty", fail)
    for prepare in (Preprocessing().prepare, Preprocessing().prepare_each):
        with pytest.raises(ModelError, match="out of memory preparing"):
            prepare([noise(8, 8)])
