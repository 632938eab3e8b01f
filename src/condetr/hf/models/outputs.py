"""What the transformers-shaped models answer with: fields by attribute, by name and by place."""

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
    """A dict of the fields that are there, in their declared order, then of what others added; missing ones are None.

    Iterating gives names, ``to_tuple()`` the values. Each kind is a pytree, so that data-parallel wrappers,
    ``torch.compile`` and ``torch.export`` find the tensors in it.
    """

    _places: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False)(cls)
        cls._places = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]  # made one above
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
            items = {self._places[0]: items}
        if unknown := values.keys() - set(self._places):
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}; it has {self._places}")
        OrderedDict.__init__(self)
        given = dict(items or (), **values)
        for name in (*self._places, *(name for name in given if name not in self._places)):
            if given.get(name) is not None:
                OrderedDict.__setitem__(self, name, given[name])

    def __getattr__(self, name: str) -> Any:
        if name in self._places or name in self:
            return self.get(name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, place: str | int | slice) -> Any:
        return OrderedDict.__getitem__(self, place) if isinstance(place, str) else self.to_tuple()[place]

    def __setitem__(self, name: str, value: Any) -> None:
        given = {**self, name: value}
        self.clear()
        self.__init__(given)  # type: ignore[misc]  # keeps the order of the fields

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self.values())


class BaseModelOutput(ModelOutput):
    """What the encoder says: (batch, cells, channels), with an entry per layer where there is a tuple."""

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None


class ConditionalDetrModelOutput(ModelOutput):
    """What the network says before any head.

    ``decoder_hidden_states`` starts with what enters the decoder and ends with ``last_hidden_state``;
    ``intermediate_hidden_states`` stacks the normalized answers of all decoder layers. ``reference_points`` are
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
    """Scores before the sigmoid and boxes (cx, cy, w, h) in [0, 1] of every query; losses where labels were given."""

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
    """The same as of a detector, and masks before the sigmoid of every query: (batch, queries, height/4, width/4)."""

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
