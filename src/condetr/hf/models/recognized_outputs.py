"""Outputs that transformers' code accepts as its own: its pipelines keep only those intact."""

import sys
from collections import OrderedDict
from functools import cache
from typing import Any, TypeVar

import torch

from condetr.hf.models.outputs import ModelOutput

Output = TypeVar("Output", bound=ModelOutput)
_MODULE = "transformers.utils.generic"


def recognized(output: Output) -> Output:
    """The same output, also an instance of transformers' ``ModelOutput`` if the program has imported transformers."""
    theirs = getattr(sys.modules.get(_MODULE), "ModelOutput", None)
    if theirs is None or torch.compiler.is_compiling():
        return output
    converted: Output = _both(type(output), theirs)(output)
    return converted


@cache
def _both(ours: type[ModelOutput], theirs: type[Any]) -> Any:
    names = {
        "__module__": ours.__module__,
        "__doc__": ours.__doc__,
        "__qualname__": f"{ours.__qualname__}.recognized",
        "__reduce__": lambda output: (ours, (dict(output),)),  # copies and pickles need no transformers
        **{name: getattr(OrderedDict, name) for name in ("__delitem__", "pop", "setdefault", "update")},  # theirs raise
    }
    return type(ours.__name__, (ours, theirs), names)
