"""The keys of a backbone's tensors in the files of torchvision and timm."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from re import compile as pattern

import torch
from torch import nn

from condetr.checkpoints import keys
from condetr.checkpoints.keys import foreign_keys
from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.timm_backbone import wrapped_names

CLASSIFIERS = ("fc.", "classifier.", "head.")
_STAGE = pattern(r"layer(\d+)\.")


@dataclass(frozen=True, slots=True)
class BackboneKeys:
    """Attributes: ``names``: ours by key; ``others``: keys of the architecture that a backbone does not use."""

    names: Mapping[str, str]
    others: frozenset[str] = frozenset()
    stages: int | None = None  # of a ResNet

    def is_unused(self, key: str) -> bool:
        """Whether it belongs to a classifier, or to what comes after the last stage that is used."""
        if key in self.names:
            return False
        stage = _STAGE.match(key)
        beyond = self.stages is not None and stage is not None and int(stage[1]) > self.stages
        return beyond or key in self.others or key.startswith(CLASSIFIERS)


def backbone_keys(backbone: nn.Module, description: ResNetDescription | TimmDescription) -> BackboneKeys:
    names = list(backbone.state_dict())
    if isinstance(description, TimmDescription):
        return _keys_of_timm(names, description)
    root = keys.BACKBONE["original"] + "."
    named = foreign_keys([f"backbone.{name}" for name in names], description, "original", "timm")
    return BackboneKeys(
        {foreign.key.removeprefix(root): name.removeprefix("backbone.") for name, foreign in named.items()},
        stages=len(description.depths),
    )


def _keys_of_timm(names: Iterable[str], description: TimmDescription) -> BackboneKeys:
    """The names of the classifier, from those that its parts have where timm wraps it to return features."""
    import timm

    with torch.device("meta"):
        classifier = set(timm.create_model(description.name, in_chans=description.in_channels).state_dict())
    wrapped = {other: key for key in classifier for other in reversed(wrapped_names(key))}
    ours = {name: name.removeprefix("network.") for name in names}
    found = {wrapped.get(inner, inner): name for name, inner in ours.items()}
    return BackboneKeys(found, frozenset(classifier - found.keys()))
