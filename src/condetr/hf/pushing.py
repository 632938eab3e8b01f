"""``push_to_hub`` of models, configs, processors and pipelines, with the arguments of transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from condetr.checkpoints.pushing import push

_OF_NO_CONSEQUENCE = ("max_shard_size", "safe_serialization", "use_temp_dir")  # one file, safetensors, always apart


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    commit_message: str | None = None,
    tags: str | Sequence[str] | None = None,
    **kwargs: Any,
) -> str:
    """Upload what was saved in a folder; gives the address of the commit."""
    options = {name: value for name, value in kwargs.items() if name not in _OF_NO_CONSEQUENCE}
    card = Path(folder) / "README.md"
    if tags is not None and card.is_file():
        lines = "".join(f"- {tag}\n" for tag in ([tags] if isinstance(tags, str) else tags))
        card.write_text(card.read_text("utf-8").replace("tags:\n", f"tags:\n{lines}", 1), "utf-8")
    return push(folder, repo_id, message=commit_message or "Upload a Conditional DETR", **options)
