"""Shapes of stored tensors by our names, before anything else is known about the network."""

from collections.abc import Mapping
from itertools import count, takewhile

from torch import Tensor

from condetr.checkpoints.keys import DIALECTS, Dialect, Layout, foreign_keys
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription

FORMS: tuple[tuple[ResNetDescription, Layout], ...] = (  # what decides the names inside a ResNet
    # "average" comes first, for its names contain the other's
    *((ResNetDescription(shortcut="average", stem_widths=stem), "timm") for stem in ((64,), (32, 32, 64))),
    *((ResNetDescription(shortcut="convolution", stem_widths=stem), "timm") for stem in ((64,), (32, 32, 64))),
    (ResNetDescription(), "resnet"),
)


class StoredShapes:
    """Finds its dialect, and the layout of its ResNet, by the names that tell them apart."""

    def __init__(self, stored: Mapping[str, Tensor], source: object) -> None:
        self._stored = stored
        plain = ResNetDescription()
        content = "decoder.layers.0.self_attention.content_query.weight"
        dialect = next((dialect for dialect in DIALECTS if self._key(content, plain, dialect) in stored), None)
        if dialect is None:
            raise CheckpointError("holds no Conditional DETR in any dialect that condetr knows", source=source)
        self.dialect = dialect
        form = next((form for form in FORMS if self._fits(*form)), None)
        if form is None:
            raise CheckpointError(
                "its backbone is no ResNet: what it is cannot be told from its weights",
                source=source,
                hint="put the config.json of the model beside the file",
            )
        self.form, self.layout = form

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._stored[self._key(name, self.form, self.dialect, self.layout)].shape)

    def has(self, name: str) -> bool:
        return self._key(name, self.form, self.dialect, self.layout) in self._stored

    def number(self, pattern: str) -> int:
        """How many of ``pattern`` with 0, 1, ... there are."""
        return sum(1 for _ in takewhile(lambda n: self.has(pattern.format(n)), count()))

    def _fits(self, form: ResNetDescription, layout: Layout) -> bool:
        telling = (f"stem.{len(form.stem_widths) - 1}.conv.weight", "stages.1.0.shortcut.norm.weight")
        return all(self._key(f"backbone.{name}", form, self.dialect, layout) in self._stored for name in telling)

    @staticmethod
    def _key(name: str, form: ResNetDescription, dialect: Dialect, layout: Layout = "timm") -> str:
        return foreign_keys([name], form, dialect, layout)[name].key
