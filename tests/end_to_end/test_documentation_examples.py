"""The published examples of Conditional DETR run after changing the import line, here with a local checkpoint."""

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor
from tests.scramble import scramble


def fresh_model():
    """As wide as the published model, but with a small backbone and two layers."""
    names = {0: "N/A", 1: "cat", 2: "remote", 3: "couch"}
    config = ConditionalDetrConfig(backbone="resnet18", encoder_layers=2, decoder_layers=2, id2label=names)
    torch.manual_seed(0)
    return ConditionalDetrForObjectDetection(config)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conditional-detr")
    scramble(fresh_model()).save_pretrained(folder)
    ConditionalDetrImageProcessor(size={"shortest_edge": 200, "longest_edge": 300}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def image():
    generator = np.random.default_rng(0)
    return Image.fromarray(generator.integers(0, 255, (48, 64, 3), dtype=np.uint8)).resize((640, 480))


def test_configuration():
    from condetr import ConditionalDetrConfig, ConditionalDetrModel

    configuration = ConditionalDetrConfig()
    model = ConditionalDetrModel(configuration)
    configuration = model.config
    assert configuration.num_queries == len(model.query_position_embeddings.weight) == 300


def test_base_model(checkpoint, image):
    from condetr import AutoImageProcessor, AutoModel

    image_processor = AutoImageProcessor.from_pretrained(checkpoint)
    model = AutoModel.from_pretrained(checkpoint)
    inputs = image_processor(images=image, return_tensors="pt")
    outputs = model(**inputs)
    last_hidden_states = outputs.last_hidden_state
    assert list(last_hidden_states.shape) == [1, 300, 256]


def test_object_detection(checkpoint, image):
    from condetr import AutoImageProcessor, AutoModelForObjectDetection

    image_processor = AutoImageProcessor.from_pretrained(checkpoint)
    model = AutoModelForObjectDetection.from_pretrained(checkpoint)
    inputs = image_processor(images=image, return_tensors="pt")
    outputs = model(**inputs)

    target_sizes = torch.tensor([image.size[::-1]])
    (results,) = image_processor.post_process_object_detection(outputs, threshold=0.5, target_sizes=target_sizes)
    events = []
    for score, label, box in zip(results["scores"], results["labels"], results["boxes"], strict=True):
        box = [round(i, 2) for i in box.tolist()]
        events.append(f"{model.config.id2label[label.item()]} {round(score.item(), 3)} {box}")
    assert 0 < len(events) <= 100
    assert all(line.split()[0] in {"N/A", "cat", "remote", "couch"} for line in events)
    corners = results["boxes"]
    assert bool((corners[:, 2:] > corners[:, :2]).all())
    assert bool((results["scores"] > 0.5).all())


def test_pipeline(checkpoint, image):
    from condetr import pipeline

    found = pipeline("object-detection", model=checkpoint)(image, threshold=0.5)
    assert found
    assert found[0].keys() == {"score", "label", "box"}


def test_fine_tuning_on_own_classes(checkpoint, image, tmp_path):
    """The task guide that the page points to: new names, a new head, COCO annotations, a loss.

    Fresh weights: under scrambled ones a few steps without clipping go up or down as rounding decides.
    """
    from condetr import AutoImageProcessor, AutoModelForObjectDetection

    id2label = {0: "coverall", 1: "mask"}
    image_processor = AutoImageProcessor.from_pretrained(checkpoint)
    fresh_model().save_pretrained(tmp_path)
    model = AutoModelForObjectDetection.from_pretrained(
        tmp_path, id2label=id2label, label2id={v: k for k, v in id2label.items()}, ignore_mismatched_sizes=True
    )
    objects = [{"image_id": 7, "category_id": 1, "bbox": [100, 50, 200, 300], "area": 60_000, "iscrowd": 0}]
    inputs = image_processor(images=[image], annotations=[{"image_id": 7, "annotations": objects}], return_tensors="pt")
    before = model(**inputs).loss.item()
    model.train()
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for n, p in model.named_parameters() if "backbone" not in n and p.requires_grad]},
            {"params": [p for n, p in model.named_parameters() if "backbone" in n and p.requires_grad], "lr": 1e-5},
        ],
        lr=1e-4,
        weight_decay=1e-4,
    )
    for _ in range(8):
        outputs = model(**inputs)
        outputs.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert outputs.loss_dict.keys() == {"loss_ce", "loss_bbox", "loss_giou", "cardinality_error"}
    assert model.eval()(**inputs).loss.item() < before
