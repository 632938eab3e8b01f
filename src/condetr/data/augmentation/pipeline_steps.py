"""Augmentation pipelines as settings: a list of transforms of torchvision.transforms.v2, by name and arguments.

- RandomHorizontalFlip
- RandomRotation: {degrees: 10, fill: [124, 116, 104]}
- RandomApply: {p: 0.3, transforms: [{GaussianBlur: {kernel_size: 5}}]}
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from condetr.core.errors import SettingsError
from condetr.core.names import AugmentationPreset, AugmentationSteps
from condetr.core.short_repr import short_repr
from condetr.files.yaml_reading import read_settings_yaml

SUFFIXES = (".yaml", ".yml")
_DEEPEST = 16


def read_pipeline(file: Path) -> AugmentationSteps:
    """The steps in a YAML file.

    Raises:
        SettingsError: it cannot be read, or holds something else.
    """
    content = read_settings_yaml(file)
    if not isinstance(content, list):
        raise SettingsError("holds no list, expected one transform per line: - NAME: {ARGUMENT: VALUE}", source=file)
    return checked_steps(content, source=file)


def check_augment(value: AugmentationPreset | Path | AugmentationSteps | None) -> None:
    """Raises SettingsError unless it is a preset, a YAML file, steps, or None for a callable of Python."""
    if isinstance(value, tuple):
        checked_steps(value, source=None)
    elif value is not None and value not in get_args(AugmentationPreset) and Path(value).suffix not in SUFFIXES:
        presets = get_args(AugmentationPreset)
        nearest = difflib.get_close_matches(str(value)[:80], presets, n=1, cutoff=0.0)[0]
        reason = f"is {short_repr(str(value))}, expected one of {', '.join(presets)}, or a YAML file"
        raise SettingsError(reason, item="augment", hint=f"the nearest: {nearest}")


def checked_steps(steps: Sequence[Any], source: Path | None) -> AugmentationSteps:
    """Each as a mapping from its name to its arguments.

    Raises:
        SettingsError: a step is something else, or the steps are none.
    """
    if not steps:
        raise SettingsError("has no transforms", source=source, item="augment", hint="--augment none changes nothing")
    return tuple(_checked_step(step, source, number) for number, step in enumerate(steps, start=1))


def _checked_step(step: Any, source: Path | None, number: int) -> dict[str, Any]:
    named = {step: None} if isinstance(step, str) else step
    if isinstance(named, Mapping) and len(named) == 1:
        ((name, arguments),) = named.items()
        arguments = {} if arguments is None else arguments
        if isinstance(name, str) and isinstance(arguments, Mapping) and _is_plain(arguments):
            return {name: dict(arguments)}
    reason = f"is {short_repr(step)}, expected NAME, or NAME: {{ARGUMENT: VALUE, ...}} with plain values"
    raise SettingsError(reason, source=source, item=f"augment, step {number}")


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether JSON and YAML give it back as it is."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(part, depth + 1) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(part, depth + 1) for part in value)
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
