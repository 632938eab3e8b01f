"""State dicts under transformers' keys: written with version 4's, read with either version's.

Tensors that are not part of the network keep their module's name: adapters, parametrizations, packed weights, and
the contents of layers that were wrapped.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from condetr.checkpoints.keys import BODY, COUNTS, TIED_KEYS, KeyFormat, known_keys


def use_hub_keys(model: nn.Module, part: str, root: str = "") -> None:
    """Give the tensors of one part of ``model`` transformers' keys in the state dicts of ``model``.

    Args:
        model: one in transformers' form.
        part: name of the attribute that holds a module of condetr.
        root: prefix of this module's names in a whole detector.
    """
    names = _Names(f"{part}.", root)
    model.register_state_dict_post_hook(partial(names.write))  # torch sets an attribute, which a method cannot have
    model.register_load_state_dict_pre_hook(names.read)
    model.register_load_state_dict_post_hook(names.report_missing)


@dataclass(frozen=True, slots=True)
class _Names:
    part: str
    root: str

    def write(self, model: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
        ours = [key for key in state if key.startswith(prefix + self.part)]
        theirs = self._named(model, "hub", (key.removeprefix(prefix + self.part) for key in ours))
        for key in ours:
            if (name := theirs.get(key.removeprefix(prefix + self.part))) is not None:
                state[prefix + name] = state.pop(key)

    def read(self, model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        names = model.get_submodule(self.part[:-1]).state_dict(keep_vars=True)
        ours = {
            theirs: self.part + name
            for key_format in ("transformers", "hub")
            for name, theirs in self._named(model, key_format, names).items()
        }
        for twin, key in TIED_KEYS.items():
            if (name := ours.get(key.removeprefix(BODY))) is not None:
                ours[twin.removeprefix(BODY)] = name
        for key in [key for key in state if key.startswith(prefix)]:
            name = key.removeprefix(prefix)
            if name in ours:
                state[prefix + ours[name]] = state.pop(key)
            elif name.endswith(COUNTS):  # of plain batch norms; unused because they are frozen
                del state[key]

    def report_missing(self, model: nn.Module, incompatible: Any) -> None:
        missing: list[str] = incompatible.missing_keys
        for index, key in enumerate(missing):
            for match in re.finditer(rf"(?:^|(?<=\.)){re.escape(self.part)}", key):
                if theirs := self._named(model, "hub", [key[match.end() :]]):
                    missing[index] = key[: match.start()] + theirs.popitem()[1]
                    break

    def _named(self, model: Any, key_format: KeyFormat, names: Iterable[str]) -> dict[str, str]:
        whole = {self.root + name: name for name in names}
        keys = known_keys(whole, model._body.config.backbone, key_format, model.config.layout)
        return {whole[rooted]: foreign.key.removeprefix(BODY) for rooted, foreign in keys.items()}
