"""A detector small enough to build in every test."""

import torch

from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from tests.scramble import scramble

RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
SETTINGS = {
    "backbone_config": RESNET,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 20,
    "num_queries": 6,
    "id2label": {0: "cat", 1: "dog", 2: "remote"},
}
STRIDE = 8


def config(**settings):
    return ConditionalDetrConfig(**SETTINGS | settings)


def detector(**settings):
    return scramble(ConditionalDetrForObjectDetection(config(**settings))).eval()


def pixels(batch=2, height=32, width=48):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def labels(*counts):
    generator = torch.Generator().manual_seed(2)
    return [
        {
            "class_labels": torch.randint(3, (count,), generator=generator),
            "boxes": torch.rand(count, 4, generator=generator) * 0.4 + 0.2,
        }
        for count in counts
    ]
