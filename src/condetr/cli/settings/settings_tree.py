"""A YAML file, ``--set a.b=value`` and flags in, one frozen dataclass tree out. Nothing is global.

A field ``top_k: Annotated[int, "help text"] = 100`` of a settings dataclass is at once the YAML key ``top_k``,
``--set top_k=100`` and the flag ``--top-k``.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin

from condetr.api.option_names import OUR_WORDS
from condetr.cli.settings.value_types import LONGEST_SHOWN, read_value, shortened, shown
from condetr.core.errors import SettingsError, UsageError
from condetr.core.names import FORMER_NAMES, RANDOM_WEIGHTS
from condetr.files.yaml_reading import read_settings_yaml, settings_yaml

Settings = TypeVar("Settings")
SHOWN = 3  # settings whose names are nearest
_FLAGS = {  # where the setting's name alone would not be clear, or it is inside others
    "pretrain_backbone": "--pretrain-backbone-steps",
    "network.backbone.name": "--backbone",
    "network.backbone.weights": "--backbone-weights",
}


class _Given(NamedTuple):
    value: Any
    source: str | None  # the file or --set that gave it
    item: str  # its path there, or the flag


def flag_of(name: str) -> str:
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def flagged(schema: type, parents: str = "") -> dict[str, Any]:
    """The fields that have flags, by path: those of the schema itself, and others with a flag of their own."""
    kinds = kinds_of(schema)
    found: dict[str, Any] = {}
    for spec in fields(schema):
        path = f"{parents}{spec.name}"
        if is_dataclass(kinds[spec.name]):
            found |= flagged(kinds[spec.name], f"{path}.")
        elif not parents or path in _FLAGS:
            found[path] = spec
    return found


def kinds_of(schema: type) -> dict[str, Any]:
    """The type of each setting, without its help text; of settings of their own, the dataclass."""
    return {spec.name: _kind_of(spec.type) for spec in fields(schema)}


def _kind_of(annotation: Any) -> Any:
    kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return next((part for part in get_args(kind) if is_dataclass(part)), kind)


def read_settings(
    schema: type[Settings],
    *,
    beneath: Path | None = None,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Defaults < ``beneath`` < ``file`` < ``overrides`` < ``flags`` that are not None.

    ``REPLACES`` of the schema maps settings to those of ``beneath`` that they stand for, where they are named above it.

    Raises:
        SettingsError: a setting is unknown, missing, contradictory or of the wrong kind; it is named by its path
            and by where it was given.
    """
    leaves: dict[str, _Given] = {}
    for path in filter(None, (beneath, file)):
        leaves = _over(schema, leaves, _leaves_of(schema, _tree_of(path), str(path)))
    for override in overrides:
        name, equals, text = override.partition("=")
        source = f"--set {shortened(override)}"
        if not equals or not name:
            raise SettingsError("expected NAME=VALUE", source=source)
        tree = settings_yaml(text, source=source)
        for part in reversed(name.split(".")):
            tree = {part: tree}
        leaves = _over(schema, leaves, _leaves_of(schema, tree, source))
    on_line = {name: _Given(value, None, flag_of(name)) for name, value in (flags or {}).items() if value is not None}
    for name in on_line:
        if (other := next((name for name in _superseded_by(schema, name) if name in on_line), None)) is not None:
            raise SettingsError(
                f"cannot be combined with {flag_of(other)}", item=flag_of(name), hint="give one of them"
            )
    leaves = _over(schema, leaves, on_line)
    if beneath is not None:
        leaves = _without_replaced(schema, leaves, str(beneath))
    settings = _build(schema, leaves)
    if hasattr(settings, "named"):
        object.__setattr__(settings, "named", frozenset(leaves))
    return settings


def _over(schema: type, lower: Mapping[str, _Given], upper: Mapping[str, _Given]) -> dict[str, _Given]:
    """All of ``upper``, and of ``lower`` what it does not replace."""
    named = (name for name, leaf in upper.items() if leaf.value is not None)
    superseded = {other for name in named for other in _superseded_by(schema, name)}
    return {name: leaf for name, leaf in lower.items() if name not in superseded} | dict(upper)


def _superseded_by(schema: type, name: str) -> tuple[str, ...]:
    """Settings for which another one stands, such as ``epochs`` for ``steps``."""
    return getattr(schema, "SUPERSEDES", {}).get(name, ())


def _without_replaced(schema: type, leaves: Mapping[str, _Given], beneath: str) -> dict[str, _Given]:
    """Without the settings from ``beneath`` that one from above it stands for, such as the network for ``model``."""
    replaced = {
        inner
        for outer, inner in getattr(schema, "REPLACES", {}).items()
        if (leaf := leaves.get(outer)) is not None
        and leaf.source != beneath
        and leaf.value not in (None, RANDOM_WEIGHTS)
    }
    return {
        name: leaf for name, leaf in leaves.items() if leaf.source != beneath or name.partition(".")[0] not in replaced
    }


def _tree_of(file: Path) -> Mapping[str, Any]:
    tree = read_settings_yaml(file)
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        raise SettingsError(f"holds {shown(tree)}, expected NAME: VALUE lines", source=file)
    return tree


def _leaves_of(schema: type, tree: Mapping[str, Any], source: str, parents: str = "") -> dict[str, _Given]:
    kinds = kinds_of(schema)
    leaves: dict[str, _Given] = {}
    for key, value in tree.items():
        name = FORMER_NAMES.get(key, key)
        path = f"{parents}{name}"
        if name not in kinds:
            known = [f"{parents}{leaf}" for leaf in _paths_of(schema)]
            raise SettingsError("no such setting", source=source, item=shortened(path), hint=_hint(path, known))
        if not is_dataclass(kinds[name]):
            leaves[path] = _Given(value, source, path)
        elif isinstance(value, Mapping):
            leaves |= _leaves_of(kinds[name], value, source, f"{path}.")
        else:
            raise SettingsError(f"is {shown(value)}, expected settings of its own", source=source, item=path)
    return leaves


def _hint(path: str, known: Sequence[str]) -> str:
    """The name in condetr of an option of other programs, else the settings with the nearest names."""
    if (ours := OUR_WORDS.get(path)) in known:
        return f"condetr calls it {ours}"
    nearest = difflib.get_close_matches(path[:LONGEST_SHOWN], known, n=SHOWN, cutoff=0.0)
    where = "config.yaml of a run has all" if "." in path else "--help shows all"
    return f"the nearest: {', '.join(nearest)}; {where}"


def _paths_of(schema: type, parents: str = "") -> Iterator[str]:
    for name, kind in kinds_of(schema).items():
        if is_dataclass(kind) and isinstance(kind, type):
            yield from _paths_of(kind, f"{parents}{name}.")
        else:
            yield f"{parents}{name}"


def _build(schema: type[Settings], leaves: Mapping[str, _Given], parents: str = "") -> Settings:
    kinds = kinds_of(schema)
    values: dict[str, Any] = {}
    for spec in fields(schema):  # type: ignore[arg-type]  # every schema is a dataclass
        path, kind = f"{parents}{spec.name}", kinds[spec.name]
        if is_dataclass(kind) and isinstance(kind, type):
            values[spec.name] = _build(kind, leaves, f"{path}.")
        elif path in leaves:
            values[spec.name] = read_value(kind, *leaves[path])
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise SettingsError("is required", item=path, hint=f"give {flag_of(path)}, or set it in --config FILE")
    try:
        return schema(**values)
    except (SettingsError, UsageError) as error:
        path = f"{parents}{error.item or ''}".removesuffix(".")
        within = (leaf.source for name, leaf in leaves.items() if name.startswith(f"{path}."))  # of costs as a whole
        blamed = leaves.get(path, _Given(None, next(within, None), path))
        reason = shortened(error.reason, 3 * LONGEST_SHOWN)
        raise SettingsError(reason, source=blamed.source, item=blamed.item, hint=error.hint) from error
