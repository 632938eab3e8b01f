"""The transformer of a detector on another backbone."""

from dataclasses import replace
from typing import TypeVar

from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.detector import ConditionalDetr

Network = TypeVar("Network", bound=ConditionalDetr)
_BACKBONE = "body.backbone."


def with_backbone(
    detector: Network, description: ResNetDescription | TimmDescription
) -> tuple[Network, tuple[str, ...]]:
    """A copy whose backbone is another one with random weights, and notes on what else is new.

    The input projection is new where the width of the features differs, and so are the parts of a mask head that take
    the maps of the backbone.

    Raises:
        SettingsError: a mask head needs more stages of the backbone.
    """
    network = type(detector)(replace(detector.config, backbone=description))
    own = network.state_dict()
    kept = {
        name: tensor.detach().cpu().clone()
        for name, tensor in detector.state_dict().items()
        if not name.startswith(_BACKBONE) and name in own and tensor.shape == own[name].shape
    }
    network.load_state_dict({**own, **kept})
    fresh = sorted(name for name in own.keys() - kept.keys() if not name.startswith(_BACKBONE))
    return network.eval(), (f"another backbone; freshly initialized beside it: {', '.join(fresh) or 'nothing'}",)
