"""Shapes of stored tensors by our names, before anything else about the network is known."""

from itertools import count, takewhile

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.keys import FORMATS, KeyFormat, Layout, foreign_keys
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription

VARIANTS: tuple[tuple[ResNetDescription, Layout], ...] = (  # what decides the names inside a ResNet
    # "average" comes first, for its names contain the other's
    *((ResNetDescription(shortcut="average", stem_widths=stem), "timm") for stem in ((64,), (32, 32, 64))),
    *((ResNetDescription(shortcut="convolution", stem_widths=stem), "timm") for stem in ((64,), (32, 32, 64))),
    (ResNetDescription(), "resnet"),
)


class StoredShapes:
    """Detects the key format, and the layout of the ResNet, by the keys that distinguish them."""

    def __init__(self, state: StoredState) -> None:
        self._stored = state.tensors
        plain = ResNetDescription()
        content = "decoder.layers.0.self_attention.content_query.weight"
        key_format = next((each for each in FORMATS if self._key(content, plain, each) in self._stored), None)
        if key_format is None:
            raise CheckpointError("holds no Conditional DETR in a key format that condetr reads", source=state.source)
        self.key_format = key_format
        variant = next((variant for variant in VARIANTS if self._fits(*variant)), None)
        if variant is None:
            raise CheckpointError(
                "its backbone is not a ResNet, and cannot be inferred from its weights",
                source=state.source,
                hint="put the config.json of the model beside the file",
            )
        self.resnet, self.layout = variant

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._stored[self._key(name, self.resnet, self.key_format, self.layout)].shape)

    def has(self, name: str) -> bool:
        return self._key(name, self.resnet, self.key_format, self.layout) in self._stored

    def number(self, pattern: str) -> int:
        """How many of ``pattern`` with 0, 1, ... there are."""
        return sum(1 for _ in takewhile(lambda n: self.has(pattern.format(n)), count()))

    def _fits(self, resnet: ResNetDescription, layout: Layout) -> bool:
        distinct = (f"stem.{len(resnet.stem_widths) - 1}.conv.weight", "stages.1.0.shortcut.norm.weight")
        return all(self._key(f"backbone.{name}", resnet, self.key_format, layout) in self._stored for name in distinct)

    @staticmethod
    def _key(name: str, resnet: ResNetDescription, key_format: KeyFormat, layout: Layout = "timm") -> str:
        return foreign_keys([name], resnet, key_format, layout)[name].key
