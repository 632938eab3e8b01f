"""Image processors of transformers 4.34 and 5.23, case by case, from the functions of the images room."""

import importlib.util
import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from condetr.images.coco_labels.detection import detection_labels
from condetr.images.coco_labels.panoptic import panoptic_labels
from condetr.images.coco_labels.resizing import normalize_labels, pad_labels, resize_labels
from condetr.images.decoding.modes import rgb_of
from condetr.images.preprocessing import Preprocessing
from tests.golden.resampling import rounding

CASES = [
    "default_a",
    "small_ab",
    "small_ab_det",
    "small_a_det_masks",
    "small_ab_pan",
    "pan_nomasks",
    "pan_call_format",
    "hw",
    "int_size",
    "int_size_max_size",
    "max_hw",
    "pad_size",
    "no_resize",
    "no_rescale",
    "no_normalize",
    "no_norm_no_rescale",
    "no_convert",
    "no_pad",
    "pad_alias",
    "mean_std",
    "rescale_factor",
    "nearest",
    "bicubic",
    "wide",
    "upscale",
    "tiny",
]
ONLY_NEW = {"max_hw", "pad_size", "tiny", "no_convert"}  # 4.34 refuses or ignores these
INFINITE_IN_4_34 = {"no_rescale"}  # it casts mean and std to the image's bytes, so it divides by 0
SAME_IN_BOTH_BUT_FOR_ROUNDING = {"wide", "upscale", "int_size_max_size", "default_a"}


@pytest.fixture(scope="module")
def cases(shared):
    spec = importlib.util.spec_from_file_location("imgcases", shared / "goldens/imgcases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


def processed(root, names, settings, call, annotation_format, numerics):
    """What an image processor does with these functions."""
    settings = dict(settings)
    convert = settings.pop("do_convert_annotations", settings.get("do_normalize", True))
    preprocessing = Preprocessing.from_dict(settings, numerics=numerics)
    images = [rgb_of(Image.open(root / f"{name}.png"), name) for name in names]
    if not preprocessing.do_pad:
        return preprocessing.prepare_each(images), None, None
    batch = preprocessing.prepare(images)
    if annotation_format is None:
        return batch.pixels, batch.mask, None
    annotations = json.loads((root / f"{annotation_format}.json").read_text())
    labels = []
    for name, old, new in zip(names, batch.original_sizes, batch.resized_sizes, strict=True):
        if annotation_format == "coco_panoptic":
            with_masks = call.get("return_segmentation_masks", True)
            one = panoptic_labels(annotations[name], old, root / "panoptic", masks=with_masks)
        else:
            one = detection_labels(annotations[name], old, masks=call.get("return_segmentation_masks", False))
        one = resize_labels(one, old, new)
        one = normalize_labels(one, new) if convert else one
        labels.append(pad_labels(one, tuple(batch.pixels.shape[2:])))
    return batch.pixels, batch.mask, labels


def check(shared, cases, folder, numerics, case, own_size_masks=False):
    expected = load_file(shared / "goldens" / folder / "expected.safetensors")
    about = json.loads((shared / "goldens" / folder / "expected.json").read_text())[case]
    assert "error" not in about
    close = rounding(cases[case][1] | cases[case][2], pil=numerics == "pil")
    pixels, mask, labels = processed(shared / "goldens/images", *cases[case], numerics)
    for i, image in enumerate(pixels):
        got = image[..., :: about["stride"], :: about["stride"]].float()
        torch.testing.assert_close(got, expected[f"{case}/pixel_values"][i].float(), atol=close, rtol=0)
    if mask is not None:
        assert torch.equal(mask[:, :: about["stride"], :: about["stride"]].byte(), expected[f"{case}/pixel_mask"])
    for i, label in enumerate(labels or []):
        names = {name.rsplit(".", 1)[1] for name in expected if name.startswith(f"{case}/labels.{i}.")}
        assert names | {"size"} == label.keys()  # 4.34 has no size where nothing was resized
        for name in names:
            wanted, got = expected[f"{case}/labels.{i}.{name}"], label[name]
            if name == "boxes" and "523" in folder and case not in {"no_convert", "no_normalize"}:
                wanted = in_image(wanted, mask[i])  # peers.md: v5 normalizes to the padded frame
            if own_size_masks and name in ("masks", "size"):
                continue  # 4.34 leaves both unpadded
            torch.testing.assert_close(got.to(wanted.dtype), wanted, atol=1e-4, rtol=1e-6)


def in_image(boxes, mask):
    rows, columns = mask.any(1).sum(), mask.any(0).sum()
    height, width = mask.shape
    return boxes * torch.tensor([width / columns, height / rows] * 2)


@pytest.mark.parametrize("case", [c for c in CASES if c != "small_a_det_masks"])
def test_torchvision_numbers_are_those_of_5_23(shared, cases, case):
    check(shared, cases, "hf523_image_tv", "torchvision", case)


@pytest.mark.parametrize("case", [c for c in CASES if c not in ONLY_NEW | INFINITE_IN_4_34])
def test_pil_numbers_are_those_of_4_34(shared, cases, case):
    check(shared, cases, "hf434_image", "pil", case, own_size_masks=True)


@pytest.mark.parametrize("case", [c for c in CASES if c not in SAME_IN_BOTH_BUT_FOR_ROUNDING])
def test_pil_numbers_are_those_of_5_23(shared, cases, case):
    check(shared, cases, "hf523_image_pil", "pil", case)
