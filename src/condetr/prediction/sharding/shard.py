"""Shards: a run divided among processes or machines, each of which predicts the images of one part."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from condetr.core.errors import SettingsError, UsageError
from condetr.prediction.result_names import base_name_of, folded
from condetr.prediction.sources import ImageSource

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` parts of a run; ``number`` counts from 1.

    An image belongs to the shard that the name of its results leads to, which is its relative path without extension.
    So the shard of an image depends neither on the other images nor on where the folder is mounted, and two images
    whose results would have the same name are in the same shard.
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, source: ImageSource) -> bool:
        name = folded(base_name_of(source)).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(name, digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


def shard_of(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard that ``2/8`` names, or for "auto" the one that the launcher of this process numbers.

    Launchers are torchrun and others that set RANK (from 0) and WORLD_SIZE, and Slurm with an array of jobs.

    Raises:
        SettingsError: not such text, or a number above the count.
        UsageError: "auto", and no launcher has set its variables.
    """
    if text == AUTO:
        return _launched(environment)
    number, slash, count = text.partition("/")
    if not slash or not _is_number(number) or not _is_number(count):
        raise SettingsError(f"is {text!r}, expected NUMBER/COUNT such as 2/8, or {AUTO}", item="shard")
    return _checked(int(number), int(count), text)


def _launched(environment: Mapping[str, str]) -> Shard:
    def number(name: str, default: int | None = None) -> int:
        text = environment.get(name, "").strip()
        if not text and default is not None:
            return default
        if not _is_number(text):
            raise UsageError(f"is {text!r}, expected a whole number", source="environment", item=name)
        return int(text)

    if environment.get("WORLD_SIZE"):
        rank, count = number("RANK"), number("WORLD_SIZE")
        return _checked(rank + 1, count, f"RANK={rank} WORLD_SIZE={count}")
    if environment.get("SLURM_ARRAY_TASK_ID"):
        task, count = number("SLURM_ARRAY_TASK_ID"), number("SLURM_ARRAY_TASK_COUNT")
        first, step = number("SLURM_ARRAY_TASK_MIN", 0), max(1, number("SLURM_ARRAY_TASK_STEP", 1))
        return _checked((task - first) // step + 1, count, f"SLURM_ARRAY_TASK_ID={task}, of {count} from {first}")
    reason = "is auto, but neither RANK and WORLD_SIZE nor SLURM_ARRAY_TASK_ID are set"
    raise UsageError(reason, item="shard", hint="give --shard NUMBER/COUNT such as 2/8")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _checked(number: int, count: int, text: str) -> Shard:
    if not 1 <= number <= count:
        raise SettingsError(f"is {text}, expected a number from 1 to the count", item="shard")
    return Shard(number, count)
