import copy
import pickle

import numpy as np
import pytest
import torch

from condetr.hf.processing.batch_feature import BatchFeature


@pytest.fixture
def features():
    label = BatchFeature({"boxes": torch.tensor([[0.123456, 0.5, 0.5, 0.5]]), "class_labels": torch.tensor([3])})
    return BatchFeature(
        {
            "pixel_values": torch.rand(1, 3, 4, 5),
            "pixel_mask": torch.ones(1, 4, 5, dtype=torch.int64),
            "labels": [label],
        }
    )


def test_is_read_by_key_attribute_and_as_keyword_arguments(features):
    assert features.pixel_values is features["pixel_values"]
    assert dict(**features)["pixel_mask"] is features.pixel_mask
    assert list(features) == list(features.keys()) == ["pixel_values", "pixel_mask", "labels"]
    assert "labels" in features
    assert len(features.items()) == len(features.values()) == 3


def test_a_missing_attribute_names_what_is_there(features):
    with pytest.raises(
        AttributeError, match="this BatchFeature has no 'pixels', only pixel_values, pixel_mask, labels"
    ):
        _ = features.pixels
    assert not hasattr(BatchFeature(), "pixel_values")


def test_survives_pickling_and_copying(features):
    for twin in (pickle.loads(pickle.dumps(features)), copy.deepcopy(features), copy.copy(features)):
        assert type(twin) is BatchFeature
        assert torch.equal(twin.pixel_values, features.pixel_values)
        assert torch.equal(twin.labels[0].boxes, features.labels[0].boxes)


def test_a_dtype_casts_images_and_leaves_integers_and_labels(features):
    boxes = features.labels[0].boxes
    moved = features.to("cpu", torch.float16)
    assert moved is features
    assert moved.pixel_values.dtype == torch.float16
    assert moved.pixel_mask.dtype == torch.int64
    assert moved.labels[0].boxes.dtype == torch.float32
    assert torch.equal(moved.labels[0]["boxes"], boxes)
    assert features.to(torch.float64).pixel_values.dtype == torch.float64


def test_labels_follow_to_the_device(features):
    moved = features.to("meta", non_blocking=True)
    assert moved.pixel_mask.device.type == "meta"
    assert moved.labels[0].class_labels.device.type == "meta"
    assert type(moved.labels[0]) is BatchFeature


def test_lists_of_arrays_become_one_tensor_or_array():
    rows = [np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)]
    assert torch.equal(BatchFeature({"x": rows}, "pt").x, torch.tensor([[[0.0] * 3] * 2, [[1.0] * 3] * 2]))
    assert BatchFeature({"x": [torch.zeros(2), torch.ones(2)]}, "np").x.tolist() == [[0, 0], [1, 1]]
    assert BatchFeature({"size": (32, 42)}, "pt").size.tolist() == [32, 42]
    assert BatchFeature({"name": "a", "inner": [{"x": 1}]}, "pt").data == {"name": "a", "inner": [{"x": 1}]}


def test_unequal_shapes_are_refused_with_the_ways_out():
    with pytest.raises(ValueError, match=r"pixel_values: .*\(3, 2, 2\), \(3, 2, 4\).*do_pad=True.*return_tensors=None"):
        BatchFeature({"pixel_values": [torch.zeros(3, 2, 2), torch.zeros(3, 2, 4)]}, "pt")


def test_an_unknown_kind_of_tensor_is_refused():
    with pytest.raises(ValueError, match="return_tensors: is 'tf', an unknown tensor type"):
        BatchFeature({"x": [1]}, "tf")


def test_some_values_stay_as_they_are():
    features = BatchFeature({"a": [1, 2], "b": [3]}, "pt", skip_tensor_conversion=["b"])
    assert torch.equal(features["a"], torch.tensor([1, 2]))
    assert features["b"] == [3]
