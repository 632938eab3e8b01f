import json

import pytest

from condetr.core.errors import CheckpointError
from condetr.hf.auto import AutoImageProcessor
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil


def stored(folder, **settings):
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    "stored_names",
    [
        {"image_processor_type": "ConditionalDetrImageProcessor"},
        {"image_processor_type": "ConditionalDetrImageProcessorFast"},
        {"image_processor_type": "ConditionalDetrImageProcessorPil"},
        {"feature_extractor_type": "ConditionalDetrFeatureExtractor"},
        {},
    ],
)
def test_every_former_name_of_the_processor_is_read(tmp_path, stored_names):
    ours = AutoImageProcessor.from_pretrained(stored(tmp_path, size=36, **stored_names), do_pad=False)
    assert type(ours) is ConditionalDetrImageProcessor
    assert (ours.size, ours.do_pad) == ({"shortest_edge": 36, "longest_edge": 1333}, False)


def test_pil_on_request(tmp_path):
    read, folder = AutoImageProcessor.from_pretrained, stored(tmp_path)
    assert type(read(folder, use_fast=False)) is ConditionalDetrImageProcessorPil
    assert type(read(folder, backend="pil")) is ConditionalDetrImageProcessorPil
    assert type(read(folder, use_fast=True)) is ConditionalDetrImageProcessor
    assert type(read(folder, backend="torchvision")) is ConditionalDetrImageProcessor
    with pytest.raises(ValueError, match="backend: is 'opencv', expected one of torchvision, pil"):
        read(folder, backend="opencv")


def test_another_model_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json: image_processor_type: is 'YolosImageProc"):
        AutoImageProcessor.from_pretrained(stored(tmp_path, image_processor_type="YolosImageProcessor"))
    (tmp_path / "config.json").write_text('{"model_type": "detr"}')
    with pytest.raises(CheckpointError, match=r"config\.json: model_type: is 'detr', expected 'conditional_detr'"):
        AutoImageProcessor.from_pretrained(stored(tmp_path))


def test_it_cannot_be_instantiated():
    with pytest.raises(TypeError, match=r"AutoImageProcessor\.from_pretrained"):
        AutoImageProcessor()
