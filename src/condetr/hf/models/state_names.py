"""State dicts under transformers' names: written as version 4 has them, read from either version.

What is no part of the network keeps the name that its module gives it: adapters, parametrizations, packed weights,
and what lies inside layers that others wrapped.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from condetr.checkpoints.keys import BODY, COUNTS, TIED_KEYS, KeyFormat, known_keys


def use_hub_keys(model: nn.Module, part: str, root: str = "") -> None:
    """From now on the tensors of one part of ``model`` have transformers' names in the state dicts of ``model``.

    Args:
        model: one of the transformers-shaped ones.
        part: the name of the attribute with condetr's own names.
        root: what stands before these in the whole network.
    """
    names = _Names(f"{part}.", root)
    model.register_state_dict_post_hook(partial(names.write))  # torch marks it, which a method cannot be
    model.register_load_state_dict_pre_hook(names.read)
    model.register_load_state_dict_post_hook(names.report_missing)


@dataclass(frozen=True, slots=True)
class _Names:
    part: str
    root: str

    def write(self, model: nn.Module, state: dict[str, Any], at: str, _: Any) -> None:
        mine = [key for key in state if key.startswith(at + self.part)]
        theirs = self._named(model, "hub", (key.removeprefix(at + self.part) for key in mine))
        for key in mine:
            if (name := theirs.get(key.removeprefix(at + self.part))) is not None:
                state[at + name] = state.pop(key)

    def read(self, model: nn.Module, state: dict[str, Any], at: str, *_: Any) -> None:
        names = model.get_submodule(self.part[:-1]).state_dict(keep_vars=True)
        ours = {
            theirs: self.part + name
            for key_format in ("transformers", "hub")
            for name, theirs in self._named(model, key_format, names).items()
        }
        for one, other in TIED_KEYS.items():
            if (known := ours.get(other.removeprefix(BODY))) is not None:
                ours[one.removeprefix(BODY)] = known
        for key in [key for key in state if key.startswith(at)]:
            name = key.removeprefix(at)
            if name in ours:
                state[at + ours[name]] = state.pop(key)
            elif name.endswith(COUNTS):  # of plain batch norms; means nothing where they are frozen
                del state[key]

    def report_missing(self, model: nn.Module, incompatible: Any) -> None:
        missing: list[str] = incompatible.missing_keys
        for place, key in enumerate(missing):
            for found in re.finditer(rf"(?:^|(?<=\.)){re.escape(self.part)}", key):
                if theirs := self._named(model, "hub", [key[found.end() :]]):
                    missing[place] = key[: found.start()] + theirs.popitem()[1]
                    break

    def _named(self, model: Any, key_format: KeyFormat, names: Iterable[str]) -> dict[str, str]:
        whole = {self.root + name: name for name in names}
        keys = known_keys(whole, model._body.config.backbone, key_format, model.config.layout)
        return {whole[rooted]: foreign.key.removeprefix(BODY) for rooted, foreign in keys.items()}
