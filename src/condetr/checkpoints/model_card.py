"""The README of a stored model, with the front matter that the Hugging Face hub reads."""

from collections.abc import Mapping

from condetr.checkpoints.config.backbone_writing import why_not_transformers
from condetr.model.config import DetectorConfig, ResNetDescription, TimmDescription

_CARD = """---
library_name: condetr
pipeline_tag: {task}
tags:
- {task}
- conditional-detr
---
# Conditional DETR

{what} after Meng et al., "Conditional DETR for Fast Training Convergence" (ICCV 2021), stored by condetr.

| | |
| --- | --- |
| backbone | {backbone} |
| encoder, decoder | {config.encoder_layers} and {config.decoder_layers} layers of {config.d_model} channels |
| object queries | {config.num_queries} |
| position embedding | {config.position_embedding_type} |
| classes | {config.num_labels} |

```python
import condetr

model = condetr.load("path or hub id of this model")
model.predict("picture.jpg").draw()
```

{elsewhere}

## Classes
{classes}
"""

_DETECTOR = {
    "task": "object-detection",
    "what": "An object detector",
    "model_class": "AutoModelForObjectDetection",
}
_SEGMENTER = {
    "task": "image-segmentation",
    "what": "A segmenter, which finds objects and their pixels,",
    "model_class": "ConditionalDetrForSegmentation",
}


def model_card_of(config: DetectorConfig, labels: Mapping[int, str], *, segments: bool) -> str:
    classes = ", ".join(name for name in labels.values() if name != "N/A")
    words = _SEGMENTER if segments else _DETECTOR
    reason = why_not_transformers(config.backbone)
    elsewhere = (
        f"transformers reads the same files: `{words['model_class']}.from_pretrained(...)`."
        if reason is None
        else f"transformers cannot build this network: {reason}."
    )
    return _CARD.format(
        config=config, backbone=_words_for(config.backbone), classes=classes, elsewhere=elsewhere, **words
    )


def _words_for(backbone: ResNetDescription | TimmDescription) -> str:
    dilated = f", output stride {backbone.output_stride}" if backbone.output_stride else ""
    if isinstance(backbone, TimmDescription):
        return f"{backbone.name} of timm{dilated}"
    return f"ResNet with {backbone.block} blocks {backbone.depths}, widths {backbone.widths}{dilated}"
