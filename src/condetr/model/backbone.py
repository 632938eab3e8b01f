"""From a description to the backbone."""

from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.resnet import ResNet
from condetr.model.timm_backbone import TimmBackbone


def build_backbone(description: ResNetDescription | TimmDescription) -> ResNet | TimmBackbone:
    """Both return the feature maps of their stages, finest first, and have their ``widths`` and the last ``stride``."""
    return ResNet(description) if isinstance(description, ResNetDescription) else TimmBackbone(description)


def early_layers(backbone: ResNet | TimmBackbone) -> list[str]:
    """Names of the parameters of the stem and first stage, which stay frozen in fine-tuning (DETR, appendix A.4)."""
    if isinstance(backbone, TimmBackbone):
        return list(backbone.early)
    return [name for name, _ in backbone.named_parameters() if name.startswith(("stem.", "stages.0."))]
