"""Outputs of the models in transformers' form: fields by attribute, by name and by position."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from torch import Tensor

try:
    from torch.utils import _pytree
except ImportError:  # then outputs are plain dicts to torch
    _pytree = None  # type: ignore[assignment]


class ModelOutput(OrderedDict[str, Any]):
    """A dict of the fields that are not None, in their declared order, then of added ones; missing fields are None.

    Iterating gives names, ``to_tuple()`` the values. Each class is a pytree, so that data-parallel wrappers,
    ``torch.compile`` and ``torch.export`` find the tensors in it.
    """

    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False)(cls)
        cls._names = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]  # made one above
        if _pytree is None:
            return
        _pytree.register_pytree_node(
            cls,
            lambda output: (list(output.values()), list(output)),
            lambda values, names: cls(zip(names, values, strict=True)),
            serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
            flatten_with_keys_fn=lambda output: (
                [(_pytree.MappingKey(name), value) for name, value in output.items()],
                list(output),
            ),
        )

    def __init__(
        self, items: Mapping[str, Any] | Iterable[tuple[str, Any]] | Tensor | None = None, /, **values: Any
    ) -> None:
        if isinstance(items, Tensor):
            items = {self._names[0]: items}
        if unknown := values.keys() - set(self._names):
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}; it has {self._names}")
        OrderedDict.__init__(self)
        values = dict(items or (), **values)
        for name in (*self._names, *(name for name in values if name not in self._names)):
            if values.get(name) is not None:
                OrderedDict.__setitem__(self, name, values[name])

    def __getattr__(self, name: str) -> Any:
        if name in self._names or name in self:
            return self.get(name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, key: str | int | slice) -> Any:
        return OrderedDict.__getitem__(self, key) if isinstance(key, str) else self.to_tuple()[key]

    def __setitem__(self, name: str, value: Any) -> None:
        values = {**self, name: value}
        self.clear()
        self.__init__(values)  # type: ignore[misc]  # keeps the order of the fields

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self.values())


class BaseModelOutput(ModelOutput):
    """Output of the encoder: (batch, cells, channels); the tuples have an entry per layer."""

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None


class ConditionalDetrModelOutput(ModelOutput):
    """Output of the network before any head.

    ``decoder_hidden_states`` starts with the input of the decoder and ends with ``last_hidden_state``;
    ``intermediate_hidden_states`` stacks the normalized outputs of all decoder layers. ``reference_points`` are
    (x, y) in [0, 1], queries first, then images.
    """

    last_hidden_state: Tensor
    decoder_hidden_states: tuple[Tensor, ...] | None
    decoder_attentions: tuple[Tensor, ...] | None
    cross_attentions: tuple[Tensor, ...] | None
    encoder_last_hidden_state: Tensor | None
    encoder_hidden_states: tuple[Tensor, ...] | None
    encoder_attentions: tuple[Tensor, ...] | None
    intermediate_hidden_states: Tensor | None
    reference_points: Tensor | None


class ConditionalDetrObjectDetectionOutput(ModelOutput):
    """Scores before the sigmoid and boxes (cx, cy, w, h) in [0, 1] of every query; losses if labels were given."""

    loss: Tensor | None
    loss_dict: dict[str, Tensor] | None
    logits: Tensor
    pred_boxes: Tensor
    auxiliary_outputs: list[dict[str, Tensor]] | None
    last_hidden_state: Tensor | None
    decoder_hidden_states: tuple[Tensor, ...] | None
    decoder_attentions: tuple[Tensor, ...] | None
    cross_attentions: tuple[Tensor, ...] | None
    encoder_last_hidden_state: Tensor | None
    encoder_hidden_states: tuple[Tensor, ...] | None
    encoder_attentions: tuple[Tensor, ...] | None


class ConditionalDetrSegmentationOutput(ModelOutput):
    """The detector's output, and masks before the sigmoid of every query: (batch, queries, height/4, width/4)."""

    loss: Tensor | None
    loss_dict: dict[str, Tensor] | None
    logits: Tensor
    pred_boxes: Tensor
    pred_masks: Tensor
    auxiliary_outputs: list[dict[str, Tensor]] | None
    last_hidden_state: Tensor | None
    decoder_hidden_states: tuple[Tensor, ...] | None
    decoder_attentions: tuple[Tensor, ...] | None
    cross_attentions: tuple[Tensor, ...] | None
    encoder_last_hidden_state: Tensor | None
    encoder_hidden_states: tuple[Tensor, ...] | None
    encoder_attentions: tuple[Tensor, ...] | None
