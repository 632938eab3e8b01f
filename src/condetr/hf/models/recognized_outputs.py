"""Outputs that transformers' own code takes for its own: its pipelines keep only those whole."""

import sys
from collections import OrderedDict
from functools import cache
from typing import Any, TypeVar

import torch

from condetr.hf.models.outputs import ModelOutput

Output = TypeVar("Output", bound=ModelOutput)
_HOME = "transformers.utils.generic"


def recognized(output: Output) -> Output:
    """The same output, also an instance of transformers' ``ModelOutput`` where a program has loaded transformers."""
    theirs = getattr(sys.modules.get(_HOME), "ModelOutput", None)
    if theirs is None or torch.compiler.is_compiling():
        return output
    made: Output = _both(type(output), theirs)(output)
    return made


@cache
def _both(ours: type[ModelOutput], theirs: type[Any]) -> Any:
    names = {
        "__module__": ours.__module__,
        "__doc__": ours.__doc__,
        "__qualname__": f"{ours.__qualname__}.recognised",
        "__reduce__": lambda output: (ours, (dict(output),)),  # copies and pickles need no transformers
        **{
            name: getattr(OrderedDict, name) for name in ("__delitem__", "pop", "setdefault", "update")
        },  # theirs refuse
    }
    return type(ours.__name__, (ours, theirs), names)
