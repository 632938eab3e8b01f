"""Finds a model: a folder, a training run, a file, a bundled model, or a repository on the Hugging Face hub."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from condetr.bundled import PREFIX, bundled_models
from condetr.checkpoints.files import PICKLES, WEIGHTS
from condetr.core.errors import CheckpointError, first_line_of

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
SETTINGS = ["config.json", "preprocessor_config.json"]
SAFETENSORS = ["*.safetensors", "*.safetensors.index.json"]
BINARIES = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]
RUN_RESULTS = ("best", "last")  # model folders of a training run
PATIENCE = 3  # seconds for the hub's first answer


class Location(NamedTuple):
    """A local folder or weights file; ``revision`` is the commit if it comes from the hub."""

    path: Path
    revision: str | None = None


def find(
    reference: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    settings_only: bool = False,
) -> Location:
    """Resolve a reference to a model. What exists locally never touches the network.

    ``settings_only`` leaves the weights on the hub.

    Raises:
        CheckpointError: it does not exist, or the hub cannot be reached or refuses.
    """
    name = str(reference)
    try:
        path = Path(name).expanduser()
        if name and path.is_file():
            return Location(path)
        if name and path.is_dir():
            return Location(_folder_of_model(path))
    except (OSError, RuntimeError) as error:  # no permission, too long a name, no such user
        raise CheckpointError(f"cannot be accessed: {error}", source=name) from None
    bundled = bundled_models()
    if name in bundled:
        return Location(bundled[name])
    if not HUB_ID.fullmatch(name) or path.suffix in (*PICKLES, ".safetensors"):
        raise CheckpointError("is neither a folder or file here nor a hub id (organisation/name)", source=name)
    options = {
        "revision": revision,
        "cache_dir": cache_dir,
        "token": token,
        "force_download": force_download,
        "local_files_only": local_files_only,
    }
    folder = _download(name, SETTINGS if settings_only else SETTINGS + SAFETENSORS, options)
    if not settings_only and not any((folder / weights).is_file() for weights in WEIGHTS):
        folder = _download(name, SETTINGS + BINARIES, options)
    return Location(folder, revision=folder.name)


def cached_revision(name: str) -> str | None:
    """The commit of a model of the hub whose weights are in the cache; None where they are not."""
    try:
        location = find(name, local_files_only=True)
    except CheckpointError:
        return None
    return location.revision if any((location.path / weights).is_file() for weights in WEIGHTS) else None


def is_cached(name: str) -> bool:
    """Whether a model of the hub can be loaded without the network."""
    return cached_revision(name) is not None


def hub_answers(name: str) -> bool:
    """Whether the hub has this model, and says so within `PATIENCE` seconds."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return False
    answers: list[bool] = []

    def ask() -> None:
        with suppress(Exception):  # no network, no such model, no permission: there is no answer
            HfApi().model_info(name, timeout=PATIENCE)
            answers.append(True)

    thread = Thread(target=ask, daemon=True)  # looking up the address of a host can take longer than any timeout
    thread.start()
    thread.join(PATIENCE)
    return bool(answers)


def _folder_of_model(folder: Path) -> Path:
    """The folder itself, or the model of the training run in it."""
    if not (folder / "config.json").exists():
        for result in RUN_RESULTS:
            if (folder / result / "config.json").is_file():
                return folder / result
    return folder


def download_one(name: str, files: tuple[str, ...], *, hint: str) -> Path:
    """The first of these files that a repository of the hub has, from the cache if it is there.

    Raises:
        CheckpointError: it has none, or cannot be reached; with this ``hint`` if it cannot.
    """
    from huggingface_hub import constants, errors, hf_hub_download

    with _named_errors(name, constants.HF_HUB_CACHE, revision=None, offline=hint):
        missing: Exception | None = None
        for file in files:
            try:
                return Path(hf_hub_download(name, file, etag_timeout=PATIENCE))
            except errors.EntryNotFoundError as error:
                missing = error
        if isinstance(missing, errors.LocalEntryNotFoundError):  # not in the cache, and out of reach
            raise missing
    raise CheckpointError(f"has none of {', '.join(files)}", source=name)


def _download(name: str, patterns: list[str], options: dict[str, Any]) -> Path:
    from huggingface_hub import constants, snapshot_download

    cache = options["cache_dir"] or constants.HF_HUB_CACHE
    offline = "connect, or give the path of a downloaded folder"
    with _named_errors(name, cache, revision=options["revision"], offline=offline):
        return Path(snapshot_download(name, allow_patterns=patterns, etag_timeout=PATIENCE, **options))


@contextmanager
def _named_errors(name: str, cache: object, *, revision: str | None, offline: str) -> Iterator[None]:
    """Errors of the hub as `CheckpointError`."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        reason, hint = "is gated", "request access on its page, then `hf auth login` or pass token="
    except errors.RepositoryNotFoundError:
        reason, hint = "is not on the hub, or is private", "check the name; for a private one `hf auth login`"
    except errors.RevisionNotFoundError:
        reason, hint = f"has no revision {revision!r}", "leave revision out for the newest"
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        reason, hint = "is not a local folder and not in the cache", offline
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError, ValueError) as error:
        reason, hint = f"cannot be fetched: {first_line_of(error)}", offline
    else:
        return
    if name.startswith(PREFIX):
        hint = f"{hint}; part of the package are {', '.join(bundled_models())}"
    raise CheckpointError(f"{reason} (cache {cache})", source=name, hint=hint)
