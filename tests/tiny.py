"""A detector small enough to run many times in a test, with weights under which nothing is neutral."""

from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter, with_masks
from tests.scramble import scramble

LABELS = {0: "cat", 1: "dog", 2: "bird"}
PREPROCESSING = Preprocessing(size=Edges(48, 80))


def tiny_detector(**options) -> ConditionalDetr:
    backbone = ResNetDescription(block="basic", depths=(1, 1), widths=(8, 16), stem_widths=(8,))
    sizes = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    settings = {"backbone": backbone, "num_labels": 3, "num_queries": 20, "d_model": 32} | sizes | heads
    config = DetectorConfig(**(settings | options))
    return scramble(ConditionalDetr(config)).eval()


def tiny_segmenter(**options) -> ConditionalDetrSegmenter:
    """The same with a mask head, which wants eight heads and three stages."""
    backbone = ResNetDescription(block="basic", depths=(1, 1, 1), widths=(8, 16, 16), stem_widths=(8,))
    detector = tiny_detector(backbone=backbone, encoder_attention_heads=8, **options)
    return scramble(with_masks(detector)).eval()
