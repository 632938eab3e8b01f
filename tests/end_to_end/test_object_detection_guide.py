"""transformers' guide to object detection, with condetr's model and processor: records, collate, Trainer, mAP."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

import condetr
from condetr import ConditionalDetrConfig, ConditionalDetrForObjectDetection, ConditionalDetrImageProcessor
from condetr.core.boxes import cxcywh_to_xyxy
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.demo.scenes import DIGITS, scene
from condetr.evaluation.arrays import GroundTruth, PredictedObjects
from condetr.evaluation.coco_ap import accumulate

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

SCENES = 6
NETWORK = {
    "backbone_config": {"model_type": "resnet", "layer_type": "basic", "embedding_size": 8, "hidden_sizes": [16, 32],
                        "depths": [1, 1]},
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_queries": 12, "dropout": 0.0, "auxiliary_loss": True,
}  # fmt: skip


def record(index):
    """A row as `datasets` has them for object detection."""
    made = scene(index)
    boxes = [[left, top, right - left, bottom - top] for left, top, right, bottom in made.boxes]
    objects = {
        "id": [100 * index + position for position in range(len(boxes))],
        "area": [width * height for _, _, width, height in boxes],
        "bbox": boxes,
        "category": list(made.labels),
    }
    width, height = made.image.size
    return {"image_id": index, "image": made.image, "width": width, "height": height, "objects": objects}


def annotation_of(image_id, objects):
    rows = zip(objects["category"], objects["area"], objects["bbox"], strict=True)
    annotations = [
        {"image_id": image_id, "category_id": category, "iscrowd": 0, "area": area, "bbox": list(box)}
        for category, area, box in rows
    ]
    return {"image_id": image_id, "annotations": annotations}


def transform(records, processor):
    images = [np.array(item["image"].convert("RGB")) for item in records]
    annotations = [annotation_of(item["image_id"], item["objects"]) for item in records]
    batch = processor(images=images, annotations=annotations, return_tensors="pt")
    return [{name: batch[name][position] for name in batch} for position in range(len(records))]


def collate_fn(rows):
    return {
        "pixel_values": torch.stack([row["pixel_values"] for row in rows]),
        "pixel_mask": torch.stack([row["pixel_mask"] for row in rows]),
        "labels": [row["labels"] for row in rows],
    }


@dataclass
class Answer:
    logits: torch.Tensor
    pred_boxes: torch.Tensor


def compute_metrics(results, processor):
    """With `eval_do_concat_batches=False`: a list of batches."""
    wanted, found = [], []
    for (_, logits, boxes, *_), labels in zip(results.predictions, results.label_ids, strict=True):
        sizes = torch.tensor(np.array([label["orig_size"] for label in labels]))
        answer = Answer(torch.tensor(logits), torch.tensor(boxes))
        found += processor.post_process_object_detection(answer, threshold=0.0, target_sizes=sizes)
        wanted += labels
    return {"map": average_precision(wanted, found)}


def average_precision(wanted, found):
    def stacked(parts, shape, kind):
        return np.concatenate([np.asarray(part, dtype=kind).reshape(shape) for part in parts])

    def places(parts):
        return np.repeat(np.arange(len(parts)), [len(part) for part in parts])

    def with_sides(corners):  # x, y, width, height, as COCO has boxes
        corners = np.asarray(corners, dtype=float).reshape(-1, 4)
        return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)

    labelled = []
    for item in wanted:
        height, width = item["orig_size"]
        corners = cxcywh_to_xyxy(torch.tensor(item["boxes"])) * torch.tensor([width, height, width, height])
        labelled.append(with_sides(corners))
    labels = [each["class_labels"] for each in wanted]
    areas = stacked([each["area"] for each in wanted], (-1,), float)
    truth = GroundTruth(
        places(labels),
        stacked(labels, (-1,), int),
        stacked(labelled, (-1, 4), float),
        areas,
        np.zeros(len(areas), bool),
    )
    names = [each["labels"] for each in found]
    boxes, scores = [with_sides(each["boxes"]) for each in found], [each["scores"] for each in found]
    seen = PredictedObjects(
        places(names), stacked(names, (-1,), int), stacked(boxes, (-1, 4), float), stacked(scores, (-1,), float)
    )
    return accumulate(truth, seen, images=len(wanted), classes=len(DIGITS)).ap()


def test_the_guide_from_records_to_a_measured_model(tmp_path):
    id2label = dict(enumerate(DIGITS.names))
    label2id = {name: label for label, name in id2label.items()}
    torch.manual_seed(0)
    model = ConditionalDetrForObjectDetection(ConditionalDetrConfig(**NETWORK, id2label=id2label, label2id=label2id))
    processor = ConditionalDetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 64})
    rows = transform([record(index) for index in range(SCENES)], processor)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "run"),
        num_train_epochs=40,
        per_device_train_batch_size=3,
        per_device_eval_batch_size=4,
        learning_rate=3e-3,
        lr_scheduler_type="cosine",
        max_grad_norm=0.1,
        metric_for_best_model="eval_map",
        greater_is_better=True,
        load_best_model_at_end=True,
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=40,
        save_steps=40,
        save_total_limit=2,
        remove_unused_columns=False,
        eval_do_concat_batches=False,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=0,
    )
    trainer = transformers.Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        processing_class=processor,
        data_collator=collate_fn,
        compute_metrics=partial(compute_metrics, processor=processor),
    )
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate(eval_dataset=rows, metric_key_prefix="test")
    assert after["test_loss"] < before["eval_loss"] / 2
    assert after["test_map"] > before["eval_map"]

    trainer.save_model(tmp_path / "saved")
    trainer.model.save_pretrained(tmp_path / "saved")
    scenes = write_scenes(tmp_path / "scenes", train=SCENES, val=0)["train"]
    assert len(scenes) == SCENES
    report = condetr.load(tmp_path / "saved").evaluate(tmp_path / "scenes", split="train")
    assert report.ap == pytest.approx(after["test_map"], abs=0.02)  # JPEG changes the images a little
