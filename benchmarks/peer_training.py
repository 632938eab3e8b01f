"""transformers' Conditional DETR, of the architecture of a recipe of ours, under transformers' Trainer.

Its ResNet has no output stride, so its convolutions get the strides and dilations of ours; that both are the same
function of their weights is checked before anything is learned. The rest is its own: the initial weights, the frozen
first stage, the loss, the image processor, the Trainer.
"""

import tempfile
from dataclasses import asdict
from typing import Any

import torch
import transformers
from torch import Tensor

from condetr.checkpoints.loading import load
from condetr.data.records import Dataset, Example
from condetr.images.decoding.decode import decode
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr

SIDE = 96
NOTHING: dict[str, Any] = {}
# What the Trainer can be told of our recipe: the losses of all decoder layers, and how to step.
OUR_STEPS = {"learning_rate": 1e-3, "warmup_steps": 60, "weight_decay": 1e-4, "max_grad_norm": 0.1}


def build_peer(config: DetectorConfig, *, all_layers: bool) -> transformers.ConditionalDetrForObjectDetection:
    shape = config.backbone
    assert isinstance(shape, ResNetDescription)
    backbone = transformers.ResNetConfig(
        embedding_size=shape.stem_widths[0],
        hidden_sizes=list(shape.widths),
        depths=list(shape.depths),
        layer_type=shape.block,
        out_features=[f"stage{len(shape.depths)}"],
    )
    shared = {name: value for name, value in asdict(config).items() if name != "backbone"}
    peer = transformers.ConditionalDetrForObjectDetection(
        transformers.ConditionalDetrConfig(backbone_config=backbone, auxiliary_loss=all_layers, **shared)
    )
    ours = ConditionalDetr(config)
    stages = peer.model.backbone.model.encoder.stages
    for our_stage, their_stage in zip(ours.body.backbone.stages, stages, strict=True):
        for our_block, their_block in zip(our_stage, their_stage.layers, strict=True):
            pairs = [*zip(our_block.convs, their_block.layer, strict=True), (our_block.shortcut, their_block.shortcut)]
            for our_conv, their_conv in pairs:
                if our_conv is not None:
                    for name in ("stride", "padding", "dilation"):
                        setattr(their_conv.convolution, name, getattr(our_conv.conv, name))
    check_alike(peer, config)
    return peer


def check_alike(peer: transformers.ConditionalDetrForObjectDetection, config: DetectorConfig) -> None:
    pixels, mask = torch.randn(2, 3, SIDE, SIDE), torch.ones(2, SIDE, SIDE, dtype=torch.long)
    with torch.no_grad():
        theirs, ours = peer.eval()(pixels, mask), as_ours(peer, config)(pixels, None)
    torch.testing.assert_close(theirs.logits, ours.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(theirs.pred_boxes, ours.boxes, rtol=1e-4, atol=1e-5)


def as_ours(peer: transformers.ConditionalDetrForObjectDetection, config: DetectorConfig) -> ConditionalDetr:
    """What it is in condetr's words: stored by the one and loaded by the other."""
    backbone = {"model_type": "condetr_resnet", **asdict(config.backbone)}
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        return load(folder, overrides={"backbone_config": backbone}).detector


class PeerImages(torch.utils.data.Dataset[dict[str, Any]]):
    """As the object-detection guide of transformers prepares them."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        edges = {"shortest_edge": SIDE, "longest_edge": SIDE}
        self.processor = transformers.ConditionalDetrImageProcessor(size=edges)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: int) -> dict[str, Any]:
        example = self.dataset[place]
        seen = self.processor(decode(example.path), annotations=_coco_of(example), return_tensors="pt")
        return {"pixel_values": seen["pixel_values"][0], "labels": seen["labels"][0]}


def _coco_of(example: Example) -> dict[str, Any]:
    objects = [
        {"bbox": [x1, y1, x2 - x1, y2 - y1], "category_id": one.label, "area": one.area, "iscrowd": 0}
        for one in example.objects
        for x1, y1, x2, y2 in [one.box]
    ]
    return {"image_id": example.image_id, "annotations": objects}


def _collate(examples: list[dict[str, Any]]) -> dict[str, Tensor | list[Any]]:
    pixels = torch.stack([one["pixel_values"] for one in examples])
    mask = torch.ones_like(pixels[:, 0], dtype=torch.long)  # all images have one size
    return {"pixel_values": pixels, "pixel_mask": mask, "labels": [one["labels"] for one in examples]}


def train_peer(
    dataset: Dataset, config: DetectorConfig, *, steps: int, batch: int, seed: int, told: dict[str, Any]
) -> ConditionalDetr:
    """``told`` is for TrainingArguments; what it leaves open, and everything where it is empty, is their default."""
    transformers.set_seed(seed)
    peer = build_peer(config, all_layers=bool(told))
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch,
            max_steps=steps,
            seed=seed,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            **told,
        )
        transformers.Trainer(peer, arguments, train_dataset=PeerImages(dataset), data_collator=_collate).train()
    return as_ours(peer, config)
