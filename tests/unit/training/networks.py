"""The smallest Conditional DETR that has every part."""

from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr

BACKBONE = ResNetDescription(block="basic", depths=(1, 1), widths=(8, 16), stem_widths=(8,))


def tiny_detector(**changes) -> ConditionalDetr:
    settings = {
        "backbone": BACKBONE,
        "num_labels": 2,
        "num_queries": 6,
        "d_model": 32,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_layers": 2,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 32,
        "dropout": 0.1,
    }
    return ConditionalDetr(DetectorConfig(**(settings | changes)))
