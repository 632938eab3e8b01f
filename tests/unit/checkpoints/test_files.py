"""Damaged and hostile containers are refused with a reason, without being run."""

import argparse
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from condetr.checkpoints.files import read_weights
from condetr.core.errors import CheckpointError

ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
TWO = {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123708\n"


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def packed(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def refused(path: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        read_weights(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (LFS, "git-lfs pointer"),
        (struct.pack("<Q", 2**62) + b"{}", "claims"),
        (packed({"a": ONE}, b"\0" * 3), "1 bytes are missing"),
        (packed({"a": ONE}, b"\0" * 9), "5 trailing bytes"),
        (packed({"a": ONE, "b": ONE}, b"\0" * 4), "b: overlaps"),
        (packed({"a": TWO}, b"\0" * 8), "a: leaves 4 unclaimed"),
        (packed(b'{"a":%s,"a":%s}' % (json.dumps(ONE).encode(), json.dumps(TWO).encode()), b"\0" * 8), "duplicate"),
        (packed(b"not json", b""), "JSON"),
        (packed(b"\xff\xff", b""), "UTF-8"),
        (packed(b'{"a":' + b"[" * 100_000, b""), "JSON"),
        (packed([1], b""), "list"),
        (packed({"a": 5}, b""), "no valid dtype"),
        (packed({"a": ONE | {"shape": [-1]}}, b"\0" * 4), "no valid dtype"),
        (packed({"a": ONE | {"shape": [2**40, 2**40]}}, b"\0" * 4), "do not hold"),
        (packed({"a": ONE | {"shape": [2**50] * 100_000}}, b"\0" * 4), "no valid dtype"),
        (packed({"a": ONE | {"dtype": ["F32"]}}, b"\0" * 4), "no valid dtype"),
        (packed({"a": ONE | {"dtype": "F31"}}, b"\0" * 4), "unknown dtype"),
        (packed({"__metadata__": 5, "a": ONE}, b"\0" * 4), "metadata|safetensors"),
    ],
)  # fmt: skip
def test_broken_safetensors(tmp_path, content, message):
    (tmp_path / "model.safetensors").write_bytes(content)
    refused(tmp_path / "model.safetensors", message)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_payload_never_runs(tmp_path, zipped):
    content = {"a": torch.ones(1), "b": Payload(tmp_path / "ran")}
    torch.save(content, tmp_path / "x.bin", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "x.bin", "refused: holds posix.mkdir")
    assert not (tmp_path / "ran").exists()


def test_a_payload_in_the_arguments_never_runs(tmp_path):
    arguments = argparse.Namespace(lr=1e-4, output_dir=Payload(tmp_path / "ran"))
    torch.save({"model": {"a": torch.ones(1)}, "args": arguments}, tmp_path / "x.pth")
    refused(tmp_path / "x.pth", "refused")
    assert not (tmp_path / "ran").exists()


def test_plain_pickles_are_no_weights(tmp_path):
    (tmp_path / "x.pt").write_bytes(pickle.dumps({"a": Payload(tmp_path / "ran")}))
    refused(tmp_path / "x.pt", "damaged, or not a file")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", LFS, b"<html>404</html>", b"PK\x03\x04 cut"])
def test_files_that_are_no_archive(tmp_path, content):
    (tmp_path / "pytorch_model.bin").write_bytes(content)
    refused(tmp_path / "pytorch_model.bin", "damaged|git-lfs")


def test_compressed_records_are_refused_before_they_are_unpacked(tmp_path):
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "plain.bin")
    with (
        zipfile.ZipFile(tmp_path / "plain.bin") as plain,
        zipfile.ZipFile(tmp_path / "small.bin", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for record in plain.infolist():
            small.writestr(record.filename, plain.read(record))
    refused(tmp_path / "small.bin", "compressed")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "holds a list"),
        ({}, "holds a dict"),
        ({"a": torch.ones(1), "epoch": 3}, "not tensors: epoch"),
        ({1: torch.ones(1)}, "not tensors: 1"),
    ],
)
def test_content_that_is_no_state_dict(tmp_path, content, message):
    torch.save(content, tmp_path / "x.pth")
    refused(tmp_path / "x.pth", message)


@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_what_a_trainer_stores(tmp_path, wrapper):
    arguments = argparse.Namespace(nheads=4)
    torch.save({wrapper: {"a": torch.ones(1)}, "epoch": 3, "args": arguments}, tmp_path / "x.pth")
    weights = read_weights(tmp_path / "x.pth")
    assert list(weights.tensors) == ["a"]
    assert weights.arguments == {"nheads": 4}


def shards(folder: Path, index: dict, suffix: str = "safetensors") -> Path:
    for name, keys in (("one", "ab"), ("two", "c")):
        save_file({key: torch.ones(1) for key in keys}, folder / f"{name}.{suffix}")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


GOOD = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}


def test_shards(tmp_path):
    assert sorted(read_weights(shards(tmp_path, {"weight_map": GOOD})).tensors) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": GOOD | {"d": "three.safetensors"}}, "three.safetensors is missing"),
        ({"weight_map": GOOD | {"a": "two.safetensors"}}, "does not hold the keys"),
        ({"weight_map": GOOD | {"d": "two.safetensors"}}, "does not hold the keys.*: d"),
        ({"weight_map": GOOD | {"a": "../one.safetensors"}}, "not a weights file of this folder"),
        ({"weight_map": GOOD | {"a": "/etc/passwd"}}, "not a weights file of this folder"),
        ({"weight_map": GOOD | {"a": "one.py"}}, "not a weights file of this folder"),
        ({"weight_map": {"a": 5}}, "weight_map"),
        ({}, "weight_map"),
    ],
)
def test_shards_that_do_not_fit_their_index(tmp_path, index, message):
    with pytest.raises(CheckpointError, match=message):
        read_weights(shards(tmp_path, index))


def test_folders_without_weights_say_what_they_hold(tmp_path):
    (tmp_path / "weights.npz").touch()
    with pytest.raises(CheckpointError, match=r"expected model.safetensors.*found weights\.npz"):
        read_weights(tmp_path)
    refused(tmp_path / "weights.npz", "not a weights file")
