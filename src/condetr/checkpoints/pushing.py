"""Uploading a saved model folder to the Hugging Face hub."""

from pathlib import Path
from typing import Any

from condetr.checkpoints.hub import SETTINGS
from condetr.core.errors import StorageError, UsageError, first_line_of

SENT = ("config.json", "model.safetensors", "model.*.safetensors", "preprocessor_config.json", "README.md")


def push(
    folder: str | Path,
    repository: str,
    *,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_description: str | None = None,
    message: str = "Upload a Conditional DETR model",
    api: Any = None,
) -> str:
    """Upload the model in ``folder``, only files of a model; returns the URL of the commit.

    Args:
        folder: what `save` wrote.
        repository: ``organisation/name``; made if it does not exist.
        private: whether a new repository is private.
        token: of the hub; by default the one that ``hf auth login`` stored.
        revision: the branch.
        create_pr: open a pull request instead of committing to the branch.
        commit_description: of the commit, below its message.
        message: of the commit.
        api: a replacement for ``huggingface_hub.HfApi``.

    Raises:
        UsageError: the folder holds no model.
        StorageError: the hub cannot be reached or refuses.
    """
    if not any((Path(folder) / name).is_file() for name in SETTINGS):
        raise UsageError("holds no config.json", source=folder, hint="save the model there first")
    from huggingface_hub import HfApi

    api = HfApi(token=token) if api is None else api
    try:
        created = api.create_repo(repository, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=created.repo_id,
            folder_path=str(folder),
            allow_patterns=list(SENT),
            revision=revision,
            commit_message=message,
            commit_description=commit_description,
            create_pr=create_pr,
        )
    except Exception as error:  # of the hub, the disk or the HTTP library
        reason = first_line_of(error)
        raise StorageError(
            f"cannot be uploaded to: {reason}", source=repository, hint="`hf auth login`, and check the name"
        ) from error
    return str(commit.commit_url)
