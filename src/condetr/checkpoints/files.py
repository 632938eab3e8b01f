"""The weights of a folder or file, in any container."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.pickle_file import read_pickle
from condetr.checkpoints.safetensors_file import read_safetensors
from condetr.checkpoints.tensors import listed
from condetr.core.errors import CheckpointError
from condetr.files.json_reading import read_json_object

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
LFS_POINTER = b"version https://git-lfs"
PICKLES = (".bin", ".pth", ".pt")
WRAPPED_AS = ("model", "state_dict", "model_state_dict")  # keys of the weights in the files of trainers


def read_weights(path: Path) -> StoredState:
    """Read a weights file, or the one of a folder.

    Raises:
        CheckpointError: there is none, or it is damaged or unsafe.
    """
    if path.is_dir():
        path = weights_file_in(path)
    tensors, arguments = _contents_of(path)
    return StoredState.of(tensors, path, arguments)


def _contents_of(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """The state dict as stored, and the arguments that the authors' trainer stores beside it."""
    if not path.is_file():
        raise CheckpointError("does not exist", source=path)
    try:
        _check_fetched(path)
        if path.name.endswith(".index.json"):
            return _read_shards(path), None
        if path.suffix == ".safetensors":
            return read_safetensors(path), None
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror or error}", source=path) from None
    if path.suffix in PICKLES:
        return _unpacked(read_pickle(path), path)
    raise CheckpointError(
        f"is not a weights file: expected .safetensors or {', '.join(PICKLES)}; other containers can run code",
        source=path,
    )


def weights_file_in(folder: Path, variant: str | None = None, *, safetensors: bool | None = None) -> Path:
    """The weights file of a folder; optionally of a ``variant``, only safetensors (True) or only pickles (False).

    Raises:
        CheckpointError: lists the files of the folder instead.
    """
    plain = [name for name in WEIGHTS if safetensors is None or safetensors == (".safetensors" in name)]
    names = plain if variant is None else [_of_variant(name, variant) for name in plain]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    loose = [entry for entry in sorted(folder.iterdir()) if entry.suffix in PICKLES]
    if len(loose) == 1 and not (folder / "config.json").exists() and variant is None and not safetensors:
        return loose[0]
    present = listed(entry.name for entry in folder.iterdir()) or "nothing"
    raise CheckpointError(f"holds no weights: expected {', '.join(names)}, found {present}", source=folder)


def _of_variant(name: str, variant: str) -> str:
    """``model.fp16.safetensors``, and ``model.safetensors.index.fp16.json`` of its shards."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{variant}.{suffix}"


def _check_fetched(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise CheckpointError(
                "is a git-lfs pointer, not the weights themselves",
                source=path,
                hint="run `git lfs pull` in the repository it came from, or download the file again",
            )


def _read_shards(index: Path) -> dict[str, Tensor]:
    files = read_json_object(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise CheckpointError("is not a table from keys to file names", source=index, item="weight_map")
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(files.values())):
        shard = index.parent / name
        if Path(name).name != name or shard.suffix not in (".safetensors", *PICKLES):
            raise CheckpointError(f"{name!r} is not a weights file of this folder", source=index, item="weight_map")
        if not shard.is_file():
            raise CheckpointError(f"the shard {name} is missing", source=index)
        held, _ = _contents_of(shard)
        promised = {key for key, file in files.items() if file == name}
        if held.keys() != promised:
            wrong = listed(held.keys() ^ promised)
            raise CheckpointError(f"does not hold the keys that {index.name} lists: {wrong}", source=shard)
        tensors |= held
    return tensors


def _unpacked(content: Any, path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    arguments = None
    if isinstance(content, Mapping):
        stored = content.get("args")
        arguments = vars(stored) if isinstance(stored, Namespace) else stored if isinstance(stored, dict) else None
        inner = next((content[name] for name in WRAPPED_AS if isinstance(content.get(name), Mapping)), content)
    else:
        inner = content
    if not isinstance(inner, Mapping) or not inner:
        raise CheckpointError(f"holds a {type(inner).__name__}, expected a state dict", source=path)
    strange = [str(key) for key, value in inner.items() if not isinstance(key, str) or not isinstance(value, Tensor)]
    if strange:
        raise CheckpointError(f"holds entries that are not tensors: {listed(strange)}", source=path)
    return dict(inner), arguments
