"""EfficientNets with the keys of EfficientNet-PyTorch, which many files have, under those of timm."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_EXCITATION = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"} | _EXCITATION
_INVERTED = {  # blocks that begin with an expansion
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
} | _EXCITATION  # fmt: skip
_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")
_TIMM_BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.")


def has_efficientnet_keys(stored: Iterable[str]) -> bool:
    return "_conv_stem.weight" in stored


def under_timm_keys(stored: Mapping[str, Tensor], timm_keys: Iterable[str]) -> dict[str, Tensor]:
    """The same tensors; keys that are not of an EfficientNet stay as they are.

    Args:
        stored: blocks are counted through all stages.
        timm_keys: of the same architecture, where blocks are counted in each stage.
    """
    found = {(int(block[1]), int(block[2])) for key in timm_keys if (block := _TIMM_BLOCK.match(key))}
    blocks = dict(enumerate(sorted(found)))
    return {_timm_key(key, stored, blocks): tensor for key, tensor in stored.items()}


def _timm_key(key: str, stored: Mapping[str, Tensor], blocks: Mapping[int, tuple[int, int]]) -> str:
    if (inside := _BLOCK.fullmatch(key)) is None:
        module, _, leaf = key.rpartition(".")
        return f"{_OUTSIDE.get(module, module)}.{leaf}"
    number, module, leaf = int(inside[1]), inside[2], inside[3]
    names = _INVERTED if f"_blocks.{number}._expand_conv.weight" in stored else _SEPARABLE
    if number not in blocks or module not in names:
        return key
    stage, block = blocks[number]
    return f"blocks.{stage}.{block}.{names[module]}.{leaf}"
