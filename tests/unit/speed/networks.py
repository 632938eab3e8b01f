"""Small detectors of every kind that the speed room must handle, with weights under which nothing is neutral."""

import torch

from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet_names import RESNETS
from condetr.model.segmenter import ConditionalDetrSegmenter
from tests.scramble import scramble

# Channels below and above what Winograd's products need.
BOTTLENECK = ResNetDescription(depths=(1, 2, 2), widths=(16, 512, 520), stem_widths=(8,))
SMALL = ResNetDescription(depths=(1, 1), widths=(8, 16), stem_widths=(8,))

BACKBONES = {
    "bottleneck": BOTTLENECK,
    "basic": ResNetDescription(block="basic", depths=(2, 2), widths=(8, 128), stem_widths=(8,)),
    "no shortcut convolution": ResNetDescription(block="basic", depths=(2,), widths=(8,), stem_widths=(8,)),
    "stages of one width": ResNetDescription(
        block="basic", depths=(1, 1, 2), widths=(8, 16, 16), stem_widths=(8,), output_stride=8
    ),
    "dilated": ResNetDescription(depths=(1, 1, 3), widths=(16, 24, 512), stem_widths=(8,), output_stride=8),
    "of transformers' ResNet": ResNetDescription(
        depths=(1, 2), widths=(16, 32), stem_widths=(8,), stride_in="1x1", first_stage_stride=2, activation="gelu"
    ),
    "average shortcut": ResNetDescription(
        depths=(1, 2), widths=(16, 32), stem_widths=(4, 4, 8), shortcut="average", output_stride=8
    ),
    "resnet26t of timm": RESNETS["resnet26t"],
}

THREE_STAGES = ResNetDescription(depths=(1, 2, 1), widths=(16, 24, 32), stem_widths=(8,))


def segmenter(backbone: ResNetDescription = THREE_STAGES, **changes) -> ConditionalDetrSegmenter:
    return detector(backbone, ConditionalDetrSegmenter, **({"encoder_attention_heads": 8} | changes))


def detector(
    backbone: ResNetDescription = SMALL, kind: type[ConditionalDetr] = ConditionalDetr, **changes
) -> ConditionalDetr:
    settings = {
        "backbone": backbone,
        "num_labels": 3,
        "num_queries": 7,
        "d_model": 32,
        "encoder_layers": 1,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 48,
        "decoder_layers": 3,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 40,
    }
    network = scramble(kind(DetectorConfig(**(settings | changes)))).eval()
    with torch.no_grad():  # queries that differ and see each other: else a slip among them stays within rounding
        network.body.decoder.object_queries.normal_(0, 3, generator=torch.Generator().manual_seed(1))
        for layer in network.body.decoder.layers:
            for projection in layer.self_attention.children():
                if isinstance(projection, torch.nn.Linear):
                    projection.weight *= 3
    return network
