"""Names that users write in settings, and what some of them were called in files that are still read."""

from collections.abc import Mapping
from typing import Any

FORMER_NAMES = {"naming": "pretrain_backbone", "colours": "in_channels"}


def with_current_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same record, also of nested ones, under the names that settings have today."""
    return {
        FORMER_NAMES.get(name, name): with_current_names(value) if isinstance(value, dict) else value
        for name, value in record.items()
    }
