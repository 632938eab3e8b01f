"""What the folder of a shard records besides its results: which shard it is, of which images, found by which model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from condetr.core.errors import UsageError
from condetr.files.atomic_write import write_files, write_json
from condetr.prediction.input.listing import Listing
from condetr.prediction.results_folder import SHARD
from condetr.prediction.sharding.shard import Shard
from condetr.prediction.tables import Classes

POSITION = "position"  # of an image among those of all shards: the last entry of a line of the journal


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """The record of one shard.

    Attributes:
        shard: which one.
        classes: of the model.
        listing: a digest of the names of all images of the run, and their number; None until they are listed.
    """

    shard: Shard
    classes: Classes
    listing: tuple[str, int] | None


def write_shard_record(folder: Path, shard: Shard, classes: Classes, listing: Listing | None = None) -> None:
    """Raises StorageError where it cannot be written."""
    content = {
        "number": shard.number,
        "count": shard.count,
        "classes": {str(label): name for label, name in classes.names.items()},
        "category_ids": {str(label): number for label, number in classes.category_ids.items()},
        "stuff": sorted(classes.stuff),
        "listing": None if listing is None else {"sha256": listing.digest, "images": listing.listed},
    }
    write_files(folder, {SHARD: partial(write_json, content)})


def read_shard_record(folder: Path) -> ShardRecord:
    """Raises UsageError where there is none, or it cannot be read."""
    try:
        content = json.loads((folder / SHARD).read_text(encoding="utf-8"))
        listing = content["listing"]
        return ShardRecord(
            shard=Shard(content["number"], content["count"]),
            classes=Classes(
                names=_by_label(content["classes"]),
                category_ids=_by_label(content["category_ids"]),
                stuff=frozenset(content["stuff"]),
            ),
            listing=None if listing is None else (listing["sha256"], listing["images"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"is not the record of a shard: {error}"
        raise UsageError(reason, source=folder / SHARD, hint="run the shard again with --overwrite") from error


def _by_label(content: Mapping[str, Any]) -> dict[int, Any]:
    return {int(label): value for label, value in content.items()}
