"""What torchrun or accelerate launch says in the environment about the processes that it started."""

import os

from condetr.core.errors import UsageError


def process_count() -> int:
    """How many processes work together; 1 without a launcher."""
    return _number("WORLD_SIZE", 1)


def process_rank() -> int:
    """Which of them this is; 0 without a launcher, whatever else the environment says."""
    return _number("RANK", 0) if process_count() > 1 else 0


def is_first_process() -> bool:
    """Whether this is the process that writes files and prints."""
    return process_rank() == 0


def processes_here() -> int:
    """How many of them run on this machine, as far as the launcher tells."""
    return _number("LOCAL_WORLD_SIZE", 1)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal():
        hint = f"unset {name}, or start with torchrun or accelerate launch"
        raise UsageError(f"is {text!r}, expected a whole number", source="environment", item=name, hint=hint)
    return int(text)
