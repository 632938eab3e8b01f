"""The environment variables that torchrun and accelerate launch set in the processes they start."""

import os

from condetr.core.errors import UsageError


def process_count() -> int:
    """Number of processes in the job; 1 without a launcher."""
    return _number("WORLD_SIZE", 1)


def process_rank() -> int:
    """Rank of this process; 0 without a launcher, even if RANK is set."""
    return _number("RANK", 0) if process_count() > 1 else 0


def is_first_process() -> bool:
    """Whether this is the process that writes files and prints."""
    return process_rank() == 0


def local_process_count() -> int:
    """How many of them run on this machine; 1 where the launcher does not set it."""
    return _number("LOCAL_WORLD_SIZE", 1)


def local_rank() -> int:
    """Which of the processes on this machine this is."""
    return _number("LOCAL_RANK", 0)


def restart_count() -> int:
    """How often torchrun has restarted the processes of this job; 0 without it."""
    return _number("TORCHELASTIC_RESTART_COUNT", 0)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal():
        hint = f"unset {name}, or start with torchrun or accelerate launch"
        raise UsageError(f"is {text!r}, expected a whole number", source="environment", item=name, hint=hint)
    return int(text)
