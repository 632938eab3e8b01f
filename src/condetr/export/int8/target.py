"""The processors that an int8 graph is for.

Without VNNI or the like, processors add products of 8-bit numbers in 16 bits and overflow. Weights of 7 bits avoid
that; with 8, the digit detector has less AP there (docs/export.md).
"""

import logging
from pathlib import Path
from typing import Literal, TypeAlias

from condetr.core.names import Int8Target
from condetr.core.processor import vector_units

_logger = logging.getLogger(__name__)

Target: TypeAlias = Literal["any", "vnni"]

BITS: dict[Target, int] = {"any": 7, "vnni": 8}
_UNITS = ("AVX512-VNNI", "AVX-VNNI", "AMX", "NEON-dotprod")  # which add the products in 32 bits


def target_here(target: Int8Target) -> Target:
    """The target itself; for ``auto`` what this processor can run, which is logged."""
    if target != "auto":
        return target
    found = [unit for unit in vector_units() if unit in _UNITS]
    if found:
        _logger.info("int8 for processors with VNNI: this one has %s", " and ".join(found))
        return "vnni"
    _logger.info("int8 for any processor: this one has %s", " and ".join(vector_units()) or "unknown vector units")
    return "any"


def warn_of_overflow(target: object, folder: Path | None = None) -> None:
    """Log a warning where a graph for VNNI runs on a processor that is known to lack it."""
    units = vector_units()
    if target == "vnni" and units and not set(units) & set(_UNITS):
        _logger.warning(
            "%sint8 weights of 8 bits overflow on this processor, which has no VNNI: the bundled detector had AP 76.20 "
            "in place of 76.60; --target any has weights of 7 bits",
            "" if folder is None else f"{folder}: ",
        )
