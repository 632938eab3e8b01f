"""Transforms of torchvision.transforms.v2, built from names and arguments."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from torchvision.transforms import InterpolationMode, v2
from torchvision.tv_tensors import Image

from condetr.core.errors import SettingsError, first_line_of
from condetr.core.short_repr import short_repr

_NESTED = "transforms"  # the argument of a container
_RESIZING = (v2.Resize, v2.RandomResize, v2.RandomShortestSize, v2.ScaleJitter, v2.RandomResizedCrop)


def transforms_by_name() -> dict[str, type[v2.Transform]]:
    """The public transforms of torchvision whose arguments are plain values."""
    classes = {name: part for name, part in vars(v2).items() if isinstance(part, type) and not name.startswith("_")}
    return {
        name: part
        for name, part in classes.items()
        if issubclass(part, v2.Transform) and part not in (v2.Transform, v2.Lambda)
    }


def transforms_of(steps: Sequence[Mapping[str, Any]], parents: str = "augment") -> list[v2.Transform]:
    """The transforms of a pipeline, in order.

    Raises:
        SettingsError: torchvision has no such transform, or it does not take the arguments.
    """
    return [
        _transform_of(name, arguments, f"{parents}, step {number}, {name}")
        for number, step in enumerate(steps, start=1)
        for name, arguments in step.items()
    ]


def decides_size(transform: object) -> bool:
    """Whether a transform of torchvision, or one inside of it, resizes images."""
    return isinstance(transform, _RESIZING) or any(map(decides_size, getattr(transform, _NESTED, ())))


def _transform_of(name: str, arguments: Mapping[str, Any], item: str) -> v2.Transform:
    known = transforms_by_name()
    if name not in known:
        nearest = ", ".join(difflib.get_close_matches(name[:80], known, n=3, cutoff=0.0))
        raise SettingsError(
            "torchvision.transforms.v2 has no such transform", item=item, hint=f"the nearest: {nearest}"
        )
    values = {key: _value_of(key, value, item) for key, value in arguments.items()}
    try:
        return known[name](**values)
    except SettingsError:
        raise
    except Exception as error:  # whatever torchvision raises for a value
        reason = f"does not take {short_repr(dict(arguments))}: {first_line_of(error)}"
        raise SettingsError(reason, item=item) from error


def _value_of(key: str, value: Any, item: str) -> Any:
    """With what YAML cannot name: transforms, interpolations, and fill colors of the image alone."""
    if key == _NESTED:
        return (
            transforms_of([_step_of(step, item) for step in value], item) if isinstance(value, list | tuple) else value
        )
    if key == "interpolation" and isinstance(value, str):
        modes = [mode.value for mode in InterpolationMode]
        if value not in modes:
            raise SettingsError(f"is {short_repr(value)}, expected one of {', '.join(modes)}", item=f"{item}.{key}")
        return InterpolationMode(value)
    if key == "fill" and value is not None:
        return {Image: value, "others": 0}
    return value


def _step_of(step: Any, item: str) -> Mapping[str, Any]:
    named = {step: {}} if isinstance(step, str) else step
    if not isinstance(named, Mapping) or len(named) != 1:
        raise SettingsError(f"is {short_repr(step)}, expected NAME, or NAME: {{ARGUMENT: VALUE, ...}}", item=item)
    ((name, arguments),) = named.items()
    if not isinstance(arguments, Mapping | None):
        raise SettingsError(f"has {short_repr(arguments)}, expected {{ARGUMENT: VALUE, ...}}", item=f"{item}, {name}")
    return {name: arguments or {}}
