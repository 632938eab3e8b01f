"""State dicts under transformers' names: written as version 4 has them, read from either version."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from condetr.checkpoints.keys import BODY, COUNTS, TWINS, Dialect, Layout, foreign_keys
from condetr.model.config import ResNetDescription, TimmDescription

Backbone = ResNetDescription | TimmDescription
Names = dict[str, str]


def speak_hub(model: nn.Module, inside: str, backbone: Backbone, layout: Layout) -> None:
    """From now on the tensors of ``model.<inside>`` have transformers' names in the state dict of ``model``."""
    prefix = f"{inside}."

    def named(dialect: Dialect) -> Callable[[Iterable[str]], Names]:
        def foreign(names: Iterable[str]) -> Names:
            keys = foreign_keys(names, backbone, dialect, layout)
            return {prefix + name: foreign.key.removeprefix(BODY) for name, foreign in keys.items()}

        return foreign

    def ours_by_name() -> Names:
        names = list(dict(getattr(model, inside).state_dict(keep_vars=True)))
        table = {theirs: ours for dialect in ("transformers", "hub") for ours, theirs in named(dialect)(names).items()}
        twins = {one.removeprefix(BODY): other.removeprefix(BODY) for one, other in TWINS.items()}
        return table | {one: table[other] for one, other in twins.items() if other in table}

    def write(_: nn.Module, state: dict[str, Any], at: str, __: Any) -> None:
        mine = [key for key in state if key.startswith(at + prefix)]
        theirs = named("hub")(key.removeprefix(at + prefix) for key in mine)
        for key in mine:
            state[at + theirs[key.removeprefix(at)]] = state.pop(key)

    def read(_: nn.Module, state: dict[str, Any], at: str, *__: Any) -> None:
        table = ours_by_name()
        for key in [key for key in state if key.startswith(at)]:
            name = key.removeprefix(at)
            if name in table:
                state[at + table[name]] = state.pop(key)
            elif name.endswith(COUNTS):  # of plain batch norms; means nothing where they are frozen
                del state[key]

    def report(_: nn.Module, incompatible: Any) -> None:
        missing: list[str] = incompatible.missing_keys
        for place, key in enumerate(missing):
            at, found, name = key.partition(prefix)
            if found:
                missing[place] = at + named("hub")([name])[prefix + name]

    model.register_state_dict_post_hook(write)
    model.register_load_state_dict_pre_hook(read)
    model.register_load_state_dict_post_hook(report)
