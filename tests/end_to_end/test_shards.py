"""Training from shards: the weights of a training from files, also where it is stopped and resumed."""

import os
import signal
from functools import partial

import pytest

from condetr.data.checked_data import checked_data
from condetr.data.discovery.formats import read_dataset
from condetr.data.stored_images import StoredImage
from condetr.prediction.input.labeled_images import labeled_images
from tests.end_to_end.test_training import StoppedError, at_step, signals_raise
from tests.unit.data.shards.shards import coco_files, parquet_shards, tar_shards
from tests.unit.training.runs import small_run, state_of

RUN = {"epochs": 3, "accumulate": 1, "batch": 2}


@pytest.fixture(scope="module")
def from_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    small_run(folder / "run", read_dataset(coco_files(folder / "data"), "train"), **RUN)
    return state_of(folder / "run")


@pytest.mark.parametrize("shards_of", [tar_shards, parquet_shards])
def test_training_from_shards_ends_with_the_bits_of_one_from_files(shards_of, tmp_path, from_files, monkeypatch):
    if shards_of is parquet_shards:
        pytest.importorskip("pyarrow")
    monkeypatch.setenv("CONDETR_DATA_CACHE", str(tmp_path / "cache"))
    shards = shards_of(tmp_path / "shards")
    train = checked_data(shards).splits["train"]
    assert all(isinstance(source.content, StoredImage) for source in labeled_images(train))
    stop = at_step(3, partial(os.kill, os.getpid(), signal.SIGTERM))
    with signals_raise(), pytest.raises(StoppedError):
        small_run(tmp_path / "run", train, say=stop, workers=1, **RUN)
    again = checked_data(shards).splits["train"]  # as another process reads it
    small_run(tmp_path / "run", again, resume=True, **RUN)
    assert state_of(tmp_path / "run") == from_files
