"""State dicts under transformers' names: written as version 4 has them, read from either version."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from condetr.checkpoints.keys import BODY, COUNTS, TWINS, Dialect, foreign_keys

OURS = "network."  # the part of a model that has condetr's names


def speak_hub(model: nn.Module) -> None:
    """From now on the tensors of ``model.network`` have transformers' names in the state dicts of ``model``."""
    model.register_state_dict_post_hook(_write)
    model.register_load_state_dict_pre_hook(_read)
    model.register_load_state_dict_post_hook(_report_missing)


def _write(model: nn.Module, state: dict[str, Any], at: str, _: Any) -> None:
    mine = [key for key in state if key.startswith(at + OURS)]
    theirs = _named(model, "hub", (key.removeprefix(at + OURS) for key in mine))
    for key in mine:
        state[at + theirs[key.removeprefix(at + OURS)]] = state.pop(key)


def _read(model: Any, state: dict[str, Any], at: str, *_: Any) -> None:
    names = model.network.state_dict(keep_vars=True)
    ours = {
        theirs: OURS + name
        for dialect in ("transformers", "hub")
        for name, theirs in _named(model, dialect, names).items()
    }
    for one, other in TWINS.items():
        if (known := ours.get(other.removeprefix(BODY))) is not None:
            ours[one.removeprefix(BODY)] = known
    for key in [key for key in state if key.startswith(at)]:
        name = key.removeprefix(at)
        if name in ours:
            state[at + ours[name]] = state.pop(key)
        elif name.endswith(COUNTS):  # of plain batch norms; means nothing where they are frozen
            del state[key]


def _report_missing(model: nn.Module, incompatible: Any) -> None:
    missing: list[str] = incompatible.missing_keys
    for place, key in enumerate(missing):
        at, found, name = key.partition(OURS)
        if found:
            missing[place] = at + _named(model, "hub", [name])[name]


def _named(model: Any, dialect: Dialect, names: Iterable[str]) -> dict[str, str]:
    keys = foreign_keys(names, model.network.config.backbone, dialect, model.config.layout)
    return {name: foreign.key.removeprefix(BODY) for name, foreign in keys.items()}
