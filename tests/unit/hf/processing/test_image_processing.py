import json
import logging
import pickle
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import AnnotationError, ImageError, SettingsError
from condetr.hf.pipelines.pipeline import pipeline
from condetr.hf.processing.feature_extraction import ConditionalDetrFeatureExtractor
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil
from tests.unit.hf.networks import RESNET, detector

BOTH = pytest.mark.parametrize("kind", [ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil])
SMALL = {"shortest_edge": 20, "longest_edge": 30}


def image(height=24, width=32, mode="RGB"):
    values = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def annotation(**changed):
    first = {"id": 7, "bbox": [2, 3, 10, 12], "category_id": 4, "area": 120.0, "iscrowd": 0} | changed
    return {"image_id": 9, "annotations": [first]}


class TestSettings:
    def test_defaults_are_the_documented_ones(self):
        ours = ConditionalDetrImageProcessor()
        assert ours.size == {"shortest_edge": 800, "longest_edge": 1333}
        assert (ours.size.longest_edge, ours.size.height) == (1333, None)
        assert (ours.format, ours.resample, ours.rescale_factor) == ("coco_detection", 2, 1 / 255)
        assert ours.image_mean == [0.485, 0.456, 0.406]
        assert ours.image_std == [0.229, 0.224, 0.225]
        flags = ("do_resize", "do_rescale", "do_normalize", "do_pad", "do_convert_annotations")
        assert all(getattr(ours, flag) is True for flag in flags)
        assert ours.model_input_names == ["pixel_values", "pixel_mask"]

    def test_are_taken_by_place_as_in_transformers_4(self):
        ours = ConditionalDetrImageProcessor("coco_panoptic", False, 36, Image.Resampling.BICUBIC)
        assert (ours.format, ours.do_resize, ours.resample) == ("coco_panoptic", False, 3)
        assert ours.size == {"shortest_edge": 36, "longest_edge": 1333}
        with pytest.raises(TypeError, match="was given size twice"):
            ConditionalDetrImageProcessor("coco_panoptic", False, 36, size=36)
        with pytest.raises(TypeError, match="takes 10 positional settings, 11 were given"):
            ConditionalDetrImageProcessor(*[None] * 11)

    def test_can_be_assigned_in_any_form(self):
        ours = ConditionalDetrImageProcessor()
        ours.size = (10, 20)
        ours.image_mean = 0.5
        ours.resample = "nearest-exact"
        assert ours.size == {"height": 10, "width": 20}
        assert ours.image_mean == [0.5, 0.5, 0.5]
        assert ours.resample == 0
        ours.size["width"] = 15
        assert ours(image()).pixel_values.shape == (1, 3, 10, 15)

    def test_of_a_call_hold_for_that_call(self):
        ours = ConditionalDetrImageProcessor(size=SMALL)
        assert ours(image(), size={"height": 8, "width": 9}, do_pad=None).pixel_values.shape == (1, 3, 8, 9)
        assert ours.size == SMALL

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"size": -800}, "size: is -800"),
            ({"size": {"edge": 3}}, "size: is {'edge': 3}"),
            ({"size": {"height": 10, "width": 0}}, "size.width: is 0"),
            ({"image_mean": [0.5, 0.5]}, r"image_mean: is \[0.5, 0.5\]"),
            ({"image_std": [0.2, 0.0, 0.2]}, "image_std"),
            ({"format": "voc"}, "format: is 'voc', expected one of coco_detection, coco_panoptic"),
            ({"do_pad": "yes"}, "do_pad: is 'yes', expected true or false"),
            ({"resample": 17}, "resample: is 17"),
            ({"rescale_factor": "1/255"}, "rescale_factor"),
            ({"pad_size": {"shortest_edge": 3}}, "pad_size"),
            ({"data_format": "hwc"}, "data_format: is 'hwc', expected one of channels_first, channels_last"),
            ({"return_tensors": "tf"}, "return_tensors: is 'tf', expected one of pt, np"),
        ],
    )
    def test_that_cannot_be_used_are_refused_by_name(self, wrong, message):
        with pytest.raises(SettingsError, match=message):
            ConditionalDetrImageProcessor(**wrong)
        with pytest.raises(SettingsError, match=message):
            ConditionalDetrImageProcessor(size=SMALL)(image(), **wrong)

    def test_that_do_not_exist_are_refused_with_the_nearest(self):
        with pytest.raises(TypeError, match="no argument 'do_resise'; did you mean 'do_resize'"):
            ConditionalDetrImageProcessor(do_resise=False)
        with pytest.raises(TypeError, match="preprocess has no argument 'image_size'"):
            ConditionalDetrImageProcessor()(image(), image_size=32)

    def test_boxes_are_converted_where_pixels_are_normalized_by_default(self):
        assert not ConditionalDetrImageProcessor(do_normalize=False).do_convert_annotations
        assert ConditionalDetrImageProcessor(do_normalize=False, do_convert_annotations=True).do_convert_annotations


class TestOldNames:
    def test_max_size_bounds_the_longer_edge(self):
        with pytest.warns(FutureWarning, match="max_size is deprecated"):
            assert ConditionalDetrImageProcessor(size=36, max_size=60).size == {"shortest_edge": 36, "longest_edge": 60}
        with pytest.warns(FutureWarning, match="max_size"):
            assert ConditionalDetrImageProcessor(max_size=900).size == {"shortest_edge": 800, "longest_edge": 900}
        ours = ConditionalDetrImageProcessor(size=36)
        with pytest.warns(FutureWarning, match="max_size"):
            assert ours(image(20, 130), max_size=60).pixel_values.shape == (1, 3, 9, 60)

    def test_a_size_that_bounds_itself_wins(self):
        with pytest.warns(FutureWarning, match="max_size"):
            assert ConditionalDetrImageProcessor(size=SMALL, max_size=60).size == SMALL

    def test_pad_and_return_pixel_mask_is_do_pad(self):
        with pytest.warns(FutureWarning, match="pad_and_return_pixel_mask is deprecated; use do_pad"):
            assert not ConditionalDetrImageProcessor(pad_and_return_pixel_mask=False).do_pad
        with pytest.warns(FutureWarning, match="do_pad"):
            features = ConditionalDetrImageProcessor(size=SMALL)(image(), pad_and_return_pixel_mask=False)
        assert list(features) == ["pixel_values"]

    def test_the_feature_extractor_is_the_image_processor(self):
        with pytest.warns(FutureWarning, match="use ConditionalDetrImageProcessor"):
            ours = ConditionalDetrFeatureExtractor(size=SMALL)
        assert isinstance(ours, ConditionalDetrImageProcessor)
        assert torch.equal(ours(image()).pixel_values, ConditionalDetrImageProcessor(size=SMALL)(image()).pixel_values)

    def test_post_process_gives_everything(self):
        outputs = Outputs(torch.randn(2, 5, 3), torch.rand(2, 5, 4))
        with pytest.warns(FutureWarning, match="use post_process_object_detection"):
            found = ConditionalDetrImageProcessor().post_process(outputs, torch.tensor([[10, 20], [30, 40]]))
        assert [len(item["scores"]) for item in found] == [15, 15]


class Outputs:
    def __init__(self, logits, pred_boxes):
        self.logits, self.pred_boxes = logits, pred_boxes


@BOTH
class TestAnswer:
    def test_tensors(self, kind):
        features = kind(size=SMALL)([image(), image(32, 24)], [annotation()] * 2, return_tensors="pt")
        assert list(features) == ["pixel_values", "pixel_mask", "labels"]
        assert features.pixel_values.dtype == torch.float32
        assert features.pixel_mask.dtype == torch.int64
        assert features.pixel_mask.sum((1, 2)).tolist() == [20 * 26, 26 * 20]
        assert all(isinstance(value, torch.Tensor) for value in features.labels[0].values())

    def test_arrays(self, kind):
        features = kind(size=SMALL)([image()] * 2, [annotation()] * 2, return_tensors="np")
        assert isinstance(features.pixel_values, np.ndarray)
        assert features.pixel_mask.shape == (2, 20, 26)
        assert all(isinstance(value, np.ndarray) for value in features.labels[1].values())

    def test_without_padding_unequal_images_are_a_list(self, kind):
        ours = kind(size=SMALL, do_pad=False)
        features = ours([image(), image(32, 24)], [annotation()] * 2)
        assert [tuple(value.shape) for value in features.pixel_values] == [(3, 20, 26), (3, 26, 20)]
        assert "pixel_mask" not in features
        assert [tuple(label.size) for label in features.labels] == [(20, 26), (26, 20)]
        assert ours([image()] * 2, return_tensors="pt").pixel_values.shape == (2, 3, 20, 26)
        with pytest.raises(SettingsError, match="do_pad: is off"):
            ours([image(), image(32, 24)], return_tensors="pt")

    def test_channels_last(self, kind):
        first = kind(size=SMALL)(image(), return_tensors="pt")
        last = kind(size=SMALL, data_format="channels_last")(image(), return_tensors="pt")
        assert torch.equal(last.pixel_values, first.pixel_values.permute(0, 2, 3, 1))
        assert torch.equal(last.pixel_mask, first.pixel_mask)

    def test_on_a_device(self, kind):
        features = kind(size=SMALL)(image(), annotation(), return_tensors="pt", device="meta")
        assert {features.pixel_values.device.type, features.labels[0].boxes.device.type} == {"meta"}

    @pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
    def test_of_any_mode_is_three_channels(self, kind, mode):
        original = image(mode="L").convert("I;16") if mode == "I;16" else image(mode=mode)
        assert kind(size=SMALL)(original, return_tensors="pt").pixel_values.shape == (1, 3, 20, 26)

    def test_a_file_is_a_image_too(self, kind, tmp_path):
        image().save(tmp_path / "a.png")
        ours = kind(size=SMALL)
        assert torch.equal(
            ours(tmp_path / "a.png", return_tensors="pt").pixel_values,
            ours(image(), return_tensors="pt").pixel_values,
        )


@BOTH
def test_without_rescaling_values_may_be_of_any_range(kind):
    values = np.random.default_rng(0).normal(0, 9, (3, 24, 32)).astype(np.float32)
    as_it_is = {"do_resize": False, "do_normalize": False, "return_tensors": "np"}
    assert np.array_equal(kind(**as_it_is, do_rescale=False)(values).pixel_values[0], values)
    with pytest.raises(ImageError, match=r"expected 0\.\.255 or floats in 0\.\.1"):
        kind(**as_it_is)(values)


def test_by_default_the_torchvision_processor_gives_a_tensor_and_the_pil_processor_arrays():
    features = ConditionalDetrImageProcessor(size=SMALL)([image()] * 2, [annotation()] * 2)
    assert features.pixel_values.shape == (2, 3, 20, 26)
    assert isinstance(features.labels[0].boxes, torch.Tensor)
    features = ConditionalDetrImageProcessorPil(size=SMALL)([image()] * 2, [annotation()] * 2)
    assert [value.shape for value in features.pixel_values] == [(3, 20, 26)] * 2
    assert [tensor.shape for tensor in features.pixel_mask] == [(20, 26)] * 2
    assert isinstance(features.labels[0].boxes, np.ndarray)


def test_a_box_is_the_same_alone_and_in_a_batch():
    ours = ConditionalDetrImageProcessor(size=SMALL)
    alone = ours(image(), annotation(), return_tensors="pt").labels[0]
    beside_another = ours([image(), image(64, 24)], [annotation()] * 2, return_tensors="pt").labels[0]
    assert torch.equal(alone.boxes, beside_another.boxes)
    assert torch.allclose(alone.boxes, torch.tensor([[7 / 32, 9 / 24, 10 / 32, 12 / 24]]))


@pytest.mark.parametrize(
    "changed",
    [
        {"bbox": np.array([2, 3, 10, 12])},
        {"bbox": [np.float32(2), 3, 10, torch.tensor(12.0)]},
        {"category_id": np.int64(4)},
        {"category_id": 4.0},
        {"area": np.float32(120), "iscrowd": np.int64(0)},
    ],
    ids=str,
)
def test_annotations_may_have_numbers_of_numpy_and_torch(changed):
    ours, plain = ConditionalDetrImageProcessor(size=SMALL), annotation()
    original = annotation(**changed) | {"image_id": torch.tensor(9)}
    labels, expected = (ours(image(), item, return_tensors="np").labels[0] for item in (original, plain))
    assert {name: value.tolist() for name, value in labels.items()} == {
        name: value.tolist() for name, value in expected.items()
    }


class TestWhatCannotBeUsed:
    def test_annotations_are_named_by_image_and_object(self):
        ours = ConditionalDetrImageProcessor(size=SMALL)
        with pytest.raises(AnnotationError, match=r"image 1: annotation 7: has bbox \[1, 2\]"):
            ours([image()] * 2, [annotation(), annotation(bbox=[1, 2])])
        with pytest.raises(ValueError, match="image 0: annotation 7: has no category_id"):
            ours(image(), {"image_id": 1, "annotations": [{"id": 7, "bbox": [1, 2, 3, 4]}]})
        with pytest.raises(ValueError, match="1 annotations for 2 images"):
            ours([image()] * 2, annotation())
        with pytest.raises(ValueError, match="annotations: is str, expected a dict"):
            ours(image(), "annotations.json")
        with pytest.raises(ValueError, match="image 0: is list, expected a dict"):
            ours(image(), [[1]])

    def test_the_other_form_is_recognized(self, tmp_path):
        panoptic = {"image_id": 1, "file_name": "a.png", "segments_info": []}
        with pytest.raises(ValueError, match=r"has no 'annotations'.*it looks like format=\"coco_panoptic\""):
            ConditionalDetrImageProcessor()(image(), panoptic)
        with pytest.raises(ValueError, match='it looks like format="coco_detection"'):
            ConditionalDetrImageProcessor(format="coco_panoptic")(image(), annotation(), masks_path=tmp_path)

    def test_panoptic_annotations_need_a_folder(self, tmp_path):
        panoptic = {"image_id": 1, "file_name": "../a.png", "segments_info": []}
        ours = ConditionalDetrImageProcessor(format="coco_panoptic")
        with pytest.raises(ValueError, match="masks_path: is None, expected the folder of the panoptic PNGs"):
            ours(image(), panoptic)
        with pytest.raises(ValueError, match=r"image 0: file_name: '\.\./a\.png' leads outside of the folder"):
            ours(image(), panoptic, masks_path=tmp_path)

    def test_images(self):
        ours = ConditionalDetrImageProcessor(size=SMALL)
        with pytest.raises(ImageError, match="channels"):
            ours(np.zeros((5, 6, 7), np.uint8))
        with pytest.raises(ValueError, match="no image was given"):
            ours([])
        with pytest.raises(ImageError, match="URL"):
            ours("https://example.com/a.jpg")

    def test_outputs(self):
        outputs = Outputs(torch.zeros(2, 5, 3), torch.rand(2, 5, 4))
        ours = ConditionalDetrImageProcessor()
        with pytest.raises(ValueError, match="1 sizes for 2 images"):
            ours.post_process_object_detection(outputs, target_sizes=[(3, 4)])
        outputs.logits[0, 0, 0] = float("nan")
        with pytest.raises(RuntimeError, match="logits: 1 of 30 values are not finite"):
            ours.post_process_object_detection(outputs)


class TestStored:
    @BOTH
    def test_there_and_back(self, kind, tmp_path):
        ours = kind(size={"max_height": 50, "max_width": 40}, do_pad=False, image_std=0.5, resample=3)
        assert ours.save_pretrained(tmp_path / "new") == [str(tmp_path / "new" / "preprocessor_config.json")]
        for again in (
            kind.from_pretrained(tmp_path / "new"),
            kind.from_pretrained(tmp_path / "new" / "preprocessor_config.json"),
            kind.from_pretrained(tmp_path, subfolder="new"),
            kind.from_json_file(tmp_path / "new" / "preprocessor_config.json"),
            kind.from_dict(ours.to_dict()),
            pickle.loads(pickle.dumps(ours)),
        ):
            assert type(again) is kind
            assert again.to_dict() == ours.to_dict()
        assert repr(ours) == f"{kind.__name__} {ours.to_json_string()}"

    def test_what_transformers_wrote_is_read_and_what_it_alone_knows_is_kept(self, tmp_path):
        hub = {"size": 800, "max_size": 1000, "feature_extractor_type": "ConditionalDetrFeatureExtractor"}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(hub | {"crop_size": None, "novelty": [1]}))
        ours = ConditionalDetrImageProcessor.from_pretrained(tmp_path)
        assert ours.size == {"shortest_edge": 800, "longest_edge": 1000}
        assert ours.to_dict()["novelty"] == [1]
        assert "feature_extractor_type" not in ours.to_dict()
        assert ours.to_dict()["image_processor_type"] == "ConditionalDetrImageProcessor"

    def test_arguments_replace_what_is_stored(self, tmp_path):
        ConditionalDetrImageProcessor(size=SMALL).save_pretrained(tmp_path)
        read = ConditionalDetrImageProcessor.from_pretrained
        assert read(tmp_path, size=40, do_pad=False).size == {"shortest_edge": 40, "longest_edge": 1333}
        with pytest.warns(FutureWarning, match="max_size"):
            assert read(tmp_path, max_size=25).size == {"shortest_edge": 20, "longest_edge": 25}
        with pytest.warns(FutureWarning, match="do_pad"):
            assert not read(tmp_path, pad_and_return_pixel_mask=False).do_pad
        ours, unused = read(tmp_path, do_normalize=False, foo=1, return_unused_kwargs=True)
        assert (ours.do_normalize, unused) == (False, {"foo": 1})
        with pytest.raises(TypeError, match="no argument 'foo'"):
            read(tmp_path, foo=1)
        with pytest.raises(SettingsError, match=r"^image_mean"):
            read(tmp_path, image_mean=[1.0])

    def test_a_model_without_settings_gets_the_defaults_and_says_so(self, tmp_path, caplog):
        (tmp_path / "config.json").write_text("{}")
        with caplog.at_level(logging.WARNING):
            ours = ConditionalDetrImageProcessor.from_pretrained(tmp_path)
        assert ours.to_dict() == ConditionalDetrImageProcessor().to_dict()
        assert "no preprocessor_config.json" in caplog.text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"image_mean": [0.5, 0.5]}', "image_mean"),
            ('{"size": -800}', "size"),
            ('{"size": 800', "not valid JSON"),
            ("[1]", "expected an object"),
        ],
    )
    def test_a_file_that_cannot_be_used_is_named(self, tmp_path, text, message):
        (tmp_path / "preprocessor_config.json").write_text(text)
        with pytest.raises(ValueError, match=rf"preprocessor_config\.json: .*{message}"):
            ConditionalDetrImageProcessor.from_pretrained(tmp_path)

    def test_a_place_that_is_none_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="neither a folder or file"):
            ConditionalDetrImageProcessor.from_pretrained(tmp_path / "nothing")
        ConditionalDetrImageProcessor().save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=r"missing: has no preprocessor_config\.json"):
            ConditionalDetrImageProcessor.from_pretrained(tmp_path, subfolder="missing")


class TestChannels:
    """As many as image_mean has numbers."""

    FOUR: ClassVar = {
        "image_mean": [0.1, 0.2, 0.3, 0.4],
        "image_std": [0.5, 0.5, 0.5, 0.25],
        "size": {"height": 4, "width": 5},
    }
    LEVELS = np.arange(4 * 5 * 4, dtype=np.uint8).reshape(4, 5, 4)

    def expected(self, levels, settings):
        mean, std = (np.array(settings[name]) for name in ("image_mean", "image_std"))
        return torch.tensor(((levels / 255 - mean) / std).transpose(2, 0, 1), dtype=torch.float32)

    @pytest.mark.parametrize("kind", [ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil])
    def test_four_are_taken_as_they_are(self, kind, tmp_path):
        image = Image.fromarray(self.LEVELS)
        image.save(tmp_path / "four.png")
        planes = torch.tensor(self.LEVELS).permute(2, 0, 1)
        for value in (image, tmp_path / "four.png", planes, self.LEVELS / 255):
            how = {} if value is not planes else {"input_data_format": "channels_first"}
            how = {"input_data_format": "channels_last"} if isinstance(value, np.ndarray) else how
            pixels = kind(**self.FOUR)(value, return_tensors="pt", **how).pixel_values
            torch.testing.assert_close(pixels[0], self.expected(self.LEVELS, self.FOUR))

    def test_no_channel_weighs_another(self):
        """PIL would multiply colors by opacity before it resizes, and so does transformers with it."""
        smooth = self.FOUR | {"size": {"height": 2, "width": 5}}
        levels = self.LEVELS.copy()
        levels[..., 3] = [[0], [255], [0], [255]]
        pixels = ConditionalDetrImageProcessorPil(**smooth)(Image.fromarray(levels), return_tensors="pt").pixel_values
        alone = ConditionalDetrImageProcessorPil(**smooth)(Image.fromarray(self.LEVELS), return_tensors="pt")
        assert torch.equal(pixels[0, :3], alone.pixel_values[0, :3])
        mean, std = (np.array(self.FOUR[name])[:, None, None] for name in ("image_mean", "image_std"))
        resized = (pixels[0].numpy() * std + mean) * 255
        np.testing.assert_allclose(resized, resized.round(), atol=1e-3)  # bytes stay bytes, as for RGB

    def test_gray_is_one(self, tmp_path):
        gray = {"image_mean": [0.5], "image_std": [0.5], "size": {"height": 4, "width": 5}}
        levels = self.LEVELS[..., :1]
        Image.fromarray(levels[..., 0]).save(tmp_path / "gray.png")
        for value in (levels[..., 0], tmp_path / "gray.png", Image.fromarray(levels[..., 0]).convert("RGB")):
            pixels = ConditionalDetrImageProcessor(**gray)(value, return_tensors="pt").pixel_values
            torch.testing.assert_close(pixels[0], self.expected(levels, gray))

    def test_other_numbers_are_refused(self):
        processor = ConditionalDetrImageProcessor(**self.FOUR)
        with pytest.raises(ImageError, match="mode RGB has 3 channels, expected 4"):
            processor(Image.new("RGB", (5, 4)))
        with pytest.raises(ImageError, match="expected 4 channels as the first or last axis"):
            processor(np.zeros((6, 5, 3), np.uint8))
        with pytest.raises(
            SettingsError, match=r"image_std: is .* expected 4 numbers, one per channel, like image_mean"
        ):
            ConditionalDetrImageProcessor(image_mean=[0.5] * 4, image_std=[0.5] * 2)
        with pytest.raises(SettingsError, match="image_mean: has 4 numbers, but an image has 3 channels"):
            processor.preprocessing().prepare([Image.new("RGB", (5, 4))])

    def test_from_a_file_to_boxes(self, tmp_path):
        image = Image.fromarray(self.LEVELS)
        image.save(tmp_path / "four.png")
        model = detector(num_channels=4, backbone_config=RESNET | {"num_channels": 4})
        model.save_pretrained(tmp_path / "model")
        ConditionalDetrImageProcessor(**self.FOUR).save_pretrained(tmp_path / "model")
        found = pipeline("object-detection", tmp_path / "model")(str(tmp_path / "four.png"), threshold=0.0)
        features = ConditionalDetrImageProcessor(**self.FOUR)(image, return_tensors="pt")
        with torch.no_grad():
            best = model(**features).logits.sigmoid().max()
        assert found[0]["score"] == pytest.approx(float(best), rel=1e-4)
