"""The network of a model that is constructed, not loaded."""

import logging
from typing import TypeVar

from condetr.checkpoints.pretrained_backbone import load_backbone
from condetr.core.errors import CheckpointError, CondetrError
from condetr.core.names import IMAGENET
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from condetr.model.detector import ConditionalDetr
from condetr.model.named_backbone import name_of
from condetr.model.transformer import DetrTransformer

log = logging.getLogger(__name__)
Network = TypeVar("Network", bound=ConditionalDetr | DetrTransformer)
_WITHOUT = "use_pretrained_backbone=False begins with random weights; from_pretrained loads all of a trained model"


def new_network(config: ConditionalDetrConfig, kind: type[Network]) -> Network:
    """Freshly initialized; with ``use_pretrained_backbone`` the backbone gets the weights that timm has for its name.

    A network that has no name begins with random weights, and a warning.

    Raises:
        SettingsError: the values make no network.
        CheckpointError: the weights cannot be fetched.
    """
    network = kind(config.split().config)
    if not config.use_pretrained_backbone:
        return network
    body = network.body if isinstance(network, ConditionalDetr) else network
    name = config.backbone_name or name_of(body.config.backbone)
    if name is None:  # configurations of transformers 4 ask for weights of any network
        log.warning(
            "use_pretrained_backbone: there are no weights of this network; its backbone begins with random ones"
        )
        return network
    try:
        loaded = load_backbone(body, IMAGENET, name)
    except CondetrError as error:
        hint = _WITHOUT if error.hint is None else f"{error.hint}; {_WITHOUT}"
        raise CheckpointError(
            f"the weights of the backbone: {error.reason}",
            source=error.source,
            item="use_pretrained_backbone",
            hint=hint,
        ) from error
    for note in loaded.notes:
        log.info("%s", note)
    if loaded.statistics != (IMAGENET_MEAN, IMAGENET_STD):
        mean, std = loaded.statistics
        log.warning(
            "the backbone was trained on images with image_mean=%s and image_std=%s; use both to prepare yours",
            mean,
            std,
        )
    return network
