import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from condetr.checkpoints.pushing import push
from condetr.checkpoints.saving import save
from condetr.core.errors import CheckpointError, StorageError, UsageError
from condetr.files.atomic_write import write_files
from condetr.model.detector import ConditionalDetr
from tests.unit.checkpoints.conftest import LABELS


def test_the_files_of_a_model(tmp_path, detector):
    save(tmp_path / "a" / "b", detector, LABELS, preprocessing={"do_pad": True}, flat={"giou_cost": 3})
    folder = tmp_path / "a" / "b"
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert (config["id2label"], config["giou_cost"], config["torch_dtype"]) == (
        {"0": "cat", "1": "dog", "2": "bird"},
        3,
        "float32",
    )
    assert "transformers_version" not in config
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert "model.query_position_embeddings.weight" in file.keys()  # noqa: SIM118  no mapping
    card = (folder / "README.md").read_text()
    assert card.startswith("---\n")
    assert "cat, dog, bird" in card


def test_learned_positions_are_stored_under_the_names_of_both_versions(tmp_path, detector):
    save(tmp_path, ConditionalDetr(replace(detector.config, position_embedding_type="learned")), LABELS)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        stored = [key for key in file.keys() if key.endswith("row_embeddings.weight")]  # noqa: SIM118  no mapping
    assert sorted(stored) == [
        "model.backbone.position_embedding.row_embeddings.weight",
        "model.position_embedding.row_embeddings.weight",
    ]


def test_weights_that_are_not_finite_are_not_stored(tmp_path, detector):
    with torch.no_grad():
        detector.head.classes.bias[1] = float("nan")
    with pytest.raises(CheckpointError, match=r"not finite: head\.classes\.bias"):
        save(tmp_path / "model", detector, LABELS)
    assert not (tmp_path / "model").exists()


def test_labels_must_fit_the_head(tmp_path, detector):
    with pytest.raises(CheckpointError, match="labels: has 2 names for a head of 3"):
        save(tmp_path, detector, {0: "a", 1: "b"})


def test_a_file_in_the_way(tmp_path, detector):
    (tmp_path / "model").touch()
    with pytest.raises(StorageError, match="model: cannot be written"):
        save(tmp_path / "model", detector, LABELS)


def test_a_failed_save_leaves_what_was_there(folder):
    before = (folder / "config.json").read_bytes()

    def full(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        write_files(folder, {"config.json": lambda path: path.write_text("{}"), "model.safetensors": full})
    assert (folder / "config.json").read_bytes() == before
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


class Api:
    def __init__(self, failure: Exception | None = None) -> None:
        self.failure, self.sent = failure, {}

    def create_repo(self, repository, *, private, exist_ok):
        if self.failure:
            raise self.failure
        return SimpleNamespace(repo_id=f"me/{repository}")

    def upload_folder(self, **options):
        self.sent = options
        return SimpleNamespace(commit_url="https://hub/commit/1")


def test_push(folder):
    api = Api()
    assert push(folder, "name", api=api) == "https://hub/commit/1"
    assert api.sent["repo_id"] == "me/name"
    assert "model.safetensors" in api.sent["allow_patterns"]


def test_push_errors(folder, tmp_path):
    with pytest.raises(StorageError, match="name: cannot be uploaded to: refused"):
        push(folder, "name", api=Api(ConnectionError("refused\nadvice")))
    with pytest.raises(UsageError, match=r"config\.json"):
        push(tmp_path, "name", api=Api())
