"""``save_pretrained`` and ``push_to_hub`` of models, configs, processors and pipelines, as in transformers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from condetr.checkpoints.pushing import push
from condetr.files.atomic_write import write_files

_IGNORED = ("max_shard_size", "safe_serialization", "use_temp_dir")  # one file, safetensors, always a folder of its own


class PushesToHub:
    """Subclasses have `save_pretrained`."""

    save_pretrained: Any

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:
        """Upload what `save_pretrained` writes; gives the URL of the commit.

        Args:
            repo_id: ``organization/name``; made if it does not exist.
            **kwargs: ``private``, ``token``, ``revision``, ``create_pr``, ``commit_message``, ``commit_description``
                and ``tags`` for the model card.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(folder, repo_id, **kwargs)


class SavedFile(PushesToHub):
    """What is stored as one file of a model folder."""

    file_name: ClassVar[str]

    def _save(self, save_directory: str | Path, *, push_to_hub: bool, **kwargs: Any) -> str:
        """Write the file into a folder, which is created if missing, and return its path.

        With ``push_to_hub`` also upload it; ``kwargs`` are ``repo_id``, by default the name of the folder, and the
        arguments of `push_to_hub`.
        """
        refuse_unless_pushed(kwargs, push_to_hub=push_to_hub)
        path = Path(save_directory) / self.file_name
        write_files(path.parent, {path.name: self._write})
        if push_to_hub:
            self.push_to_hub(**{"repo_id": path.parent.name, **kwargs})
        return str(path)

    def _write(self, path: Path) -> None:
        raise NotImplementedError


def refuse_unless_pushed(kwargs: Mapping[str, Any], *, push_to_hub: bool) -> None:
    """The arguments of `push_to_hub` are arguments of `save_pretrained` only where it uploads."""
    if kwargs and not push_to_hub:
        raise TypeError(f"save_pretrained has no {', '.join(sorted(kwargs))}")


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    commit_message: str | None = None,
    tags: str | Sequence[str] | None = None,
    **kwargs: Any,
) -> str:
    """Upload a saved folder; gives the URL of the commit."""
    options = {name: value for name, value in kwargs.items() if name not in _IGNORED}
    card = Path(folder) / "README.md"
    if tags is not None and card.is_file():
        lines = "".join(f"- {tag}\n" for tag in ([tags] if isinstance(tags, str) else tags))
        card.write_text(card.read_text("utf-8").replace("tags:\n", f"tags:\n{lines}", 1), "utf-8")
    return push(folder, repo_id, message=commit_message or "Upload a Conditional DETR", **options)
