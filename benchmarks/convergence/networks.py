"""The networks that are compared: condetr's, with parts of the method left out, and transformers' DETR.

All have the same number of layers, channels, heads and queries, and the same feature maps instead of a backbone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from unittest.mock import patch

import torch
import transformers
from jaxtyping import Float, Int64
from torch import Tensor, nn

from benchmarks.convergence.feature_maps import SIDE, Maps
from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import set_loss
from condetr.matching.matching_costs import MatchingCosts
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.training.optimization.mixed_precision import precision_of
from condetr.training.supervision.supervised import SupervisedDetector

DETECTIONS = 60  # of an image
PRIOR = -4.595  # logit of the initial probability of a class, 0.01, for the focal loss


@dataclass(frozen=True)
class Found:
    """The detections of a batch; boxes are (cx, cy, w, h) in [0, 1]."""

    scores: Float[Tensor, "images detections"]
    labels: Int64[Tensor, "images detections"]
    boxes: Float[Tensor, "images detections 4"]


class Learner(Protocol):
    """A network without a backbone, its loss, and its detections."""

    module: nn.Module

    def loss(self, maps: Maps, targets: Sequence[Target]) -> Float[Tensor, ""]: ...

    def detect(self, maps: Maps) -> Found: ...


class _FixedMaps(nn.Module):
    """In place of a backbone: returns the maps that were assigned to it."""

    def __init__(self, widths: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.widths, self.stride = widths, stride
        self.maps = torch.empty(0)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002  as a backbone is called
        return (self.maps,)


class _Ones(nn.Module):
    def forward(self, of_queries: Tensor) -> Tensor:
        return torch.ones_like(of_queries)


class Conditional:
    """condetr's network; ``spatial`` names the factors of the spatial query, T(f) and the sine embedding of s."""

    def __init__(self, config: DetectorConfig, *, spatial: str = "T s", groups: int = 1, one_to_many: int = 0) -> None:
        self._detector = ConditionalDetr(config)
        backbone = self._detector.body.backbone
        self._backbone = _FixedMaps(tuple(backbone.widths[-1:]), backbone.stride)
        if "T" not in spatial:
            self._detector.body.decoder.spatial_scale = _Ones()  # type: ignore[assignment]
        self._has_points = "s" in spatial
        self._detector.body.backbone = self._backbone  # type: ignore[assignment]
        self.module: nn.Module = SupervisedDetector(
            self._detector,
            MatchingCosts(),
            LossWeights(),
            precision_of("fp32", torch.device("cpu")),
            query_groups=groups,
            one_to_many=one_to_many,
        )

    @contextmanager
    def _of(self, maps: Maps) -> Iterator[Tensor]:
        """Pixels whose feature maps these are."""
        self._backbone.maps = maps
        if self._has_points:
            yield _no_pixels(maps)
        else:
            with patch("condetr.model.decoder.embed_points", _embedding_of_ones):
                yield _no_pixels(maps)

    def loss(self, maps: Maps, targets: Sequence[Target]) -> Float[Tensor, ""]:
        with self._of(maps) as pixels:
            return self.module(pixels, None, targets).total

    def detect(self, maps: Maps) -> Found:
        with self._of(maps) as pixels:
            return _best(self._detector(pixels, None))


class Detr:
    """transformers' DETR with its own loss, or with the focal loss and the matching of Conditional DETR."""

    def __init__(self, config: DetectorConfig, *, focal: bool = False) -> None:
        self._focal = focal
        shape = config.backbone
        assert isinstance(shape, ResNetDescription)
        shared = ("num_labels", "num_queries", "d_model", "encoder_layers", "decoder_layers", "dropout")
        shared += ("encoder_ffn_dim", "decoder_ffn_dim", "encoder_attention_heads", "decoder_attention_heads")
        replaced = transformers.ResNetConfig(  # by the maps; only its width remains
            embedding_size=8,
            hidden_sizes=list(shape.widths),
            depths=[1] * 4,
            layer_type="basic",
            out_features=["stage4"],
        )
        options = {name: getattr(config, name) for name in shared}
        self._detr = transformers.DetrForObjectDetection(
            transformers.DetrConfig(backbone_config=replaced, auxiliary_loss=True, **options)
        )
        self._detr.model.backbone = _DetrMaps(shape.widths[-1])
        if focal:
            nn.init.constant_(self._detr.class_labels_classifier.bias, PRIOR)
        self.module: nn.Module = self._detr

    def _inputs(self, maps: Maps) -> dict[str, Tensor]:
        self._detr.model.backbone.maps = maps
        pixels = _no_pixels(maps)
        return {"pixel_values": pixels, "pixel_mask": torch.ones_like(pixels[:, 0], dtype=torch.long)}

    def loss(self, maps: Maps, targets: Sequence[Target]) -> Float[Tensor, ""]:
        if not self._focal:
            labels = [{"class_labels": target.labels, "boxes": target.boxes} for target in targets]
            loss: Tensor = self._detr(**self._inputs(maps), labels=labels).loss
            return loss
        layers = self._detr.model(**self._inputs(maps)).intermediate_hidden_states
        return set_loss(
            [self._focal_prediction(of_layer) for of_layer in layers], targets, MatchingCosts(), LossWeights()
        ).total

    def _focal_prediction(self, embeddings: Tensor) -> Prediction:
        logits = self._detr.class_labels_classifier(embeddings)[..., :-1]  # the last is DETR's "no object"
        return Prediction(logits, self._detr.bbox_predictor(embeddings).sigmoid())

    def detect(self, maps: Maps) -> Found:
        output: Any = self._detr.model(**self._inputs(maps))
        if self._focal:
            return _best(self._focal_prediction(output.last_hidden_state))
        embeddings = output.last_hidden_state
        probabilities = self._detr.class_labels_classifier(embeddings).softmax(-1)[..., :-1]
        return Found(*probabilities.max(-1), self._detr.bbox_predictor(embeddings).sigmoid())


class _DetrMaps(nn.Module):
    """In place of the backbone of transformers' DETR."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.intermediate_channel_sizes = [width]
        self.maps = torch.empty(0)

    def forward(self, pixels: Tensor, mask: Tensor) -> list[tuple[Tensor, Tensor]]:  # noqa: ARG002
        images, _, rows, columns = self.maps.shape
        return [(self.maps, torch.ones(images, rows, columns, dtype=torch.bool))]


def _embedding_of_ones(points: Tensor, channels: int) -> Tensor:
    return points.new_ones(*points.shape[:-1], channels)


def _no_pixels(maps: Maps) -> Tensor:
    return torch.zeros(1, 1, 1, 1).expand(maps.shape[0], 3, SIDE, SIDE)


def _best(prediction: Prediction) -> Found:
    """By probability, over queries and classes."""
    classes = prediction.logits.shape[-1]
    scores, positions = prediction.logits.sigmoid().flatten(1).topk(DETECTIONS)
    queries = (positions // classes)[..., None].expand(-1, -1, 4)
    return Found(scores, positions % classes, prediction.boxes.gather(1, queries))
