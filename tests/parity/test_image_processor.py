"""Image processors and pipeline beside those of transformers, on random images, sizes, layouts and annotations."""

import os
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

transformers = pytest.importorskip("transformers")

from condetr.hf.auto import AutoImageProcessor  # noqa: E402
from condetr.hf.pipelines.pipeline import pipeline  # noqa: E402
from condetr.hf.processing.image_processing import (  # noqa: E402
    ConditionalDetrImageProcessor,
    ConditionalDetrImageProcessorPil,
)
from tests.scramble import scramble  # noqa: E402

PEERS = {
    ConditionalDetrImageProcessor: transformers.ConditionalDetrImageProcessor,
    ConditionalDetrImageProcessorPil: transformers.ConditionalDetrImageProcessorPil,
}
TV, PIL = PEERS
BOTH = pytest.mark.parametrize("kind", PEERS)
PIXELS = {"atol": 1e-5, "rtol": 1e-5}  # the same steps in another order
SIZES = [
    {"shortest_edge": 48, "longest_edge": 70},
    {"shortest_edge": 31, "longest_edge": 400},
    {"height": 33, "width": 50},
    {"max_height": 60, "max_width": 41},
    (40, 37),
    29,
]


def images(seed: int) -> list[Image.Image]:
    random = np.random.default_rng(seed)
    sides = random.integers(4, 120, (3, 2))
    return [Image.fromarray(random.integers(0, 256, (*side, 3), dtype=np.uint8)) for side in sides.tolist()]


def objects(seed: int, image: Image.Image, *, crowds: bool = True) -> dict:
    """COCO's objects of an image: some crowds, some outside of it, some flat."""
    random = np.random.default_rng(seed)
    width, height = image.size
    found = []
    for i in range(6):
        x, y = random.uniform(-0.1, 0.9, 2) * (width, height)
        w, h = random.uniform(0, 0.6, 2) * (width, height) * (i != 4)
        corners = np.array([[x, y], [x + w, y], [x + w, y + h + 1], [x, y + h]]).ravel().clip(0)
        one = {"id": i, "bbox": [x, y, w, h], "area": w * h, "category_id": int(random.integers(90))}
        one |= {"iscrowd": int(crowds and i == 2), "segmentation": [corners.tolist()]}
        found.append(one)
    return {"image_id": seed, "annotations": found}


def check(ours, theirs, *, converted: bool = True):
    assert set(ours) == set(theirs)
    torch.testing.assert_close(ours["pixel_values"], theirs["pixel_values"], **PIXELS)
    assert torch.equal(ours["pixel_mask"], theirs["pixel_mask"])
    annotated = zip(ours["labels"], theirs["labels"], ours.pixel_mask, strict=True) if "labels" in ours else ()
    for labels, expected, mask in annotated:
        expected.setdefault("size", torch.tensor(mask.shape))  # theirs forgets it where nothing was changed
        assert set(labels) == set(expected)
        boxes = expected.pop("boxes")
        if converted:  # theirs are relative to the padded frame (peers.md)
            across, down = mask.shape[1] / mask.any(0).sum(), mask.shape[0] / mask.any(1).sum()
            boxes = boxes * torch.tensor([across, down, across, down])
        torch.testing.assert_close(labels["boxes"], boxes)
        for name, value in expected.items():
            if name == "masks":
                assert labels[name].dtype == torch.bool
                # a pixel in the middle between two: rounding decides, and PIL's differs from torch's
                assert (labels[name] != value).float().mean() < 0.01
            else:
                torch.testing.assert_close(labels[name], value)


# where the longer edge decides, condetr's PIL processor rounds as transformers 4 (peers.md)
SIZES_OF = [(kind, size) for kind in PEERS for size in SIZES if kind is TV or size not in SIZES[:2]]


@pytest.mark.parametrize(("kind", "size"), SIZES_OF)
def test_sizes(kind, size):
    for seed in range(8):
        given = images(seed)
        check(kind(size=size)(given, return_tensors="pt"), PEERS[kind](size=size)(given, return_tensors="pt"))


@BOTH
@pytest.mark.parametrize("resample", [0, 2, 3, 1], ids=["nearest", "bilinear", "bicubic", "lanczos"])
def test_filters(kind, resample):
    options = {"size": {"height": 33, "width": 50}, "resample": resample, "return_tensors": "pt"}
    check(kind()(images(3), **options), PEERS[kind]()(images(3), **options))


@BOTH
@pytest.mark.parametrize(
    "options",
    [
        {"do_resize": False},
        {"do_rescale": False},
        {"do_normalize": False},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0, 0.9, 0.8], "image_std": [0.5, 0.6, 0.7]},
        {"image_mean": 0.5, "image_std": 0.25},
        {"pad_size": {"height": 60, "width": 71}},
        {"do_convert_annotations": False},
    ],
    ids=lambda options: " ".join(options),
)
def test_options_of_construction_and_of_a_call(kind, options):
    given, size = images(5), {"size": {"height": 50, "width": 71}}
    annotations = [objects(i, one) for i, one in enumerate(given)]
    for constructor, call in ((options | size, {}), (size, options)):
        if kind is PIL and isinstance(options.get("image_mean"), float):
            continue  # theirs needs a number for each channel
        ours = kind(**constructor)(given, annotations, return_tensors="pt", **call)
        theirs = PEERS[kind](**constructor)(given, annotations, return_tensors="pt", **call)
        unconverted = not options.get("do_convert_annotations", True) or "do_normalize" in constructor
        check(ours, theirs, converted=not unconverted)


LAYOUTS = {
    "PIL": lambda one: one,
    "array, channels last": np.array,
    "array, channels first": lambda one: np.asarray(one).transpose(2, 0, 1).copy(),
    "tensor, channels first": lambda one: torch.from_numpy(np.asarray(one).transpose(2, 0, 1).copy()),
    "tensor, channels last": lambda one: torch.from_numpy(np.asarray(one).copy()),
    "whole numbers of 64 bits": lambda one: np.asarray(one).astype(np.int64),
}


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(kind, layout):
    options = {"size": {"height": 33, "width": 50}, "return_tensors": "pt"}
    given = [LAYOUTS[layout](one) for one in images(1)]
    ours = kind(**options)(given)
    uint8 = kind(**options)(images(1))
    assert torch.equal(ours.pixel_values, uint8.pixel_values)
    if layout != "whole numbers of 64 bits":  # theirs resizes those without rounding to whole numbers
        check(ours, PEERS[kind]()(given, **options))
    stacked = [given[0]] * 2
    if layout != "PIL":
        stacked = (np if isinstance(given[0], np.ndarray) else torch).stack(stacked)
        check(kind(**options)(stacked), kind(**options)([given[0]] * 2))


@BOTH
def test_floats_up_to_255(kind):
    options = {"size": {"height": 33, "width": 50}, "return_tensors": "pt"}
    given = [np.asarray(one).astype(np.float32) for one in images(1)]
    ours, theirs = kind(**options)(given), PEERS[kind]()(given, **options)
    # theirs with PIL makes them bytes to resize them
    gray_level = 0.0176 if kind is PIL else 1e-4
    torch.testing.assert_close(ours.pixel_values, theirs["pixel_values"], atol=gray_level, rtol=0)


@BOTH
def test_floats_that_are_not_to_be_rescaled(kind):
    options = {"size": {"height": 33, "width": 50}, "do_rescale": False, "return_tensors": "pt"}
    given = [np.asarray(one).astype(np.float32) / 255 for one in images(1)]
    ours, theirs = kind(**options)(given), PEERS[kind]()(given, **options)
    # theirs with PIL makes them bytes to resize them
    gray_level = 0.0176 if kind is PIL else 1e-4
    torch.testing.assert_close(ours.pixel_values, theirs["pixel_values"], atol=gray_level, rtol=0)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@BOTH
@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_objects(kind, masks, seed):
    given = images(seed)
    annotations = [objects(10 * seed + i, one, crowds=not masks) for i, one in enumerate(given)]
    size = {"size": {"max_height": 60, "max_width": 70}, "return_tensors": "pt"}
    ours = kind()(given, annotations, return_segmentation_masks=masks, **size)
    check(ours, PEERS[kind]()(given, annotations, return_segmentation_masks=masks, **size))


@BOTH
def test_keypoints_of_one_object(kind):
    """Theirs has one row a point, whichever object it is of, and crashes unless it keeps all objects (peers.md)."""
    given = images(2)[0]
    points = np.arange(9.0).tolist()
    annotation = {
        "image_id": 1,
        "annotations": [{"bbox": [0, 0, 3, 3], "area": 9, "category_id": 1, "keypoints": points}],
    }
    ours, peer = kind()(given, annotation, return_tensors="pt"), PEERS[kind]()(given, annotation, return_tensors="pt")
    assert ours["labels"][0]["keypoints"].shape == (1, 3, 3)
    ours["labels"][0]["keypoints"] = ours["labels"][0]["keypoints"].flatten(0, 1)
    check(ours, peer)


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities of TorchVision:DeprecationWarning")
@BOTH
@pytest.mark.parametrize("masks", [None, False])
def test_segments(kind, masks, tmp_path):
    given, annotations = images(7), []
    random = np.random.default_rng(7)
    ids = np.array([3, 300, 70000, 256 * 256 * 9 + 5])
    for i, one in enumerate(given):
        chosen = random.integers(0, 4, (one.height, one.width))
        segments = ids[chosen]
        png = np.stack([segments % 256, segments // 256 % 256, segments // 65536], -1).astype(np.uint8)
        Image.fromarray(png).save(tmp_path / f"{i}.png")
        infos = [
            {"id": int(ids[j]), "category_id": j, "iscrowd": j % 2, "area": int((chosen == j).sum())}
            for j in np.unique(chosen).tolist()
        ]
        annotations.append({"image_id": i, "file_name": f"{i}.png", "segments_info": infos})
    options = {"format": "coco_panoptic", "size": {"height": 33, "width": 50}}
    call = {"masks_path": tmp_path, "return_segmentation_masks": masks, "return_tensors": "pt"}
    check(kind(**options)(given, annotations, **call), PEERS[kind](**options)(given, annotations, **call))


@BOTH
def test_answers_without_tensors(kind):
    given = images(1)
    annotations = [objects(i, one) for i, one in enumerate(given)]
    for kind_of_tensor in ("np", None):
        ours = kind(size=SIZES[2])(given, annotations, return_tensors=kind_of_tensor)
        theirs = PEERS[kind](size=SIZES[2])(given, annotations, return_tensors=kind_of_tensor)
        for name in ("pixel_values", "pixel_mask"):
            assert type(ours[name]) is type(theirs[name])
            assert type(ours[name][0]) is type(theirs[name][0])
            np.testing.assert_allclose(np.stack([*ours[name]]), np.stack([*theirs[name]]), **PIXELS)
        for name in ("boxes", "area", "class_labels", "iscrowd", "image_id", "orig_size"):
            assert type(ours["labels"][1][name]) is type(theirs["labels"][1][name])


SETTINGS = {
    "defaults": {},
    "edges": {"size": {"shortest_edge": 48, "longest_edge": 400}, "do_pad": False},
    "exact": {"size": (33, 50), "resample": 3, "image_std": [0.5, 0.6, 0.7], "do_convert_annotations": False},
}


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_we_store_transformers_reads_and_the_other_way_round(tmp_path, settings):
    ConditionalDetrImageProcessor(**SETTINGS[settings]).save_pretrained(tmp_path / "ours")
    transformers.ConditionalDetrImageProcessor(**SETTINGS[settings]).save_pretrained(tmp_path / "theirs")
    (tmp_path / "ours" / "config.json").write_text('{"model_type": "conditional_detr"}')
    given = images(4)[0]
    answers = [
        read(tmp_path / folder)(given, return_tensors="pt")["pixel_values"]
        for read in (AutoImageProcessor.from_pretrained, transformers.AutoImageProcessor.from_pretrained)
        for folder in ("ours", "theirs")
    ]
    for other in answers[1:]:
        torch.testing.assert_close(answers[0], other, **PIXELS)


OLD = os.environ.get("CONDETR_PEER_434")
READ_434 = """
import sys, numpy, torch, transformers
from PIL import Image
kind, folder = getattr(transformers, sys.argv[1]), sys.argv[2]
given = Image.fromarray(numpy.load(folder + "/given.npy"))
torch.save(kind.from_pretrained(folder)(given, return_tensors="pt")["pixel_values"], folder + "/answer.pt")
"""


@pytest.mark.skipif(not OLD, reason="CONDETR_PEER_434 names no interpreter with transformers 4.34")
@pytest.mark.parametrize("settings", SETTINGS)
def test_what_we_store_transformers_434_reads(tmp_path, settings):
    ours = ConditionalDetrImageProcessorPil(**SETTINGS[settings])
    ours.save_pretrained(tmp_path)
    given = images(4)[0]
    np.save(tmp_path / "given.npy", np.asarray(given))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [OLD, "-c", READ_434, "AutoImageProcessor", tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = torch.load(tmp_path / "answer.pt")
    torch.testing.assert_close(ours(given, return_tensors="pt").pixel_values, answer, **PIXELS)


def test_pipeline(tmp_path):
    """The three of them agree on every object: score, name and box in whole pixels."""
    resnet = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "out_features": ["stage4"]}
    config = transformers.ConditionalDetrConfig(
        backbone_config=transformers.ResNetConfig(**resnet),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=20,
        id2label={0: "cat", 1: "dog", 2: "bird"},
    )
    scramble(transformers.ConditionalDetrForObjectDetection(config)).save_pretrained(tmp_path)
    transformers.ConditionalDetrImageProcessor(size=SIZES[0]).save_pretrained(tmp_path)
    files = []
    for i, one in enumerate(images(6)):
        one.save(tmp_path / f"{i}.png")
        files.append(str(tmp_path / f"{i}.png"))
    for threshold in (0.0, 0.5):
        theirs = transformers.pipeline("object-detection", model=str(tmp_path), device="cpu")(
            files, threshold=threshold
        )
        ours = pipeline("object-detection", model=tmp_path, device="cpu")(files, threshold=threshold)
        assert [len(one) for one in ours] == [len(one) for one in theirs]
        for found, expected in zip(ours, theirs, strict=True):
            for one, other in zip(found, expected, strict=True):
                assert one["score"] == pytest.approx(other["score"], abs=1e-5)
                assert (one["label"], one["box"]) == (other["label"], other["box"])
