import multiprocessing
from itertools import islice

import pytest
import torch

from condetr.core.errors import ImageError, ModelError
from condetr.data import samples
from condetr.data.augmentation.presets import augmentation_of
from condetr.data.records import SampleIndex
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from condetr.training.input import dataset as module
from condetr.training.input.data_loader import batches_of_steps
from condetr.training.input.dataset import TrainingDataset
from condetr.training.input.sampling import Sampling
from condetr.training.progress import Position
from tests.unit.training.scenes import write_scenes

SIZE = Edges(48, 64)


@pytest.fixture
def dataset(tmp_path):
    return write_scenes(tmp_path, 6)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.0, 0.0))


def images_of(dataset, seed=3):
    return TrainingDataset(dataset, augmentation_of("strong", SIZE), Preprocessing(size=SIZE), seed=seed)


def test_augmentation_depends_on_seed_epoch_and_position_alone(dataset):
    images = images_of(dataset)
    first = images[[SampleIndex(1, 4, 2)]].pixels
    before = torch.get_rng_state()
    again = images[[SampleIndex(1, 4, 2), SampleIndex(1, 5, 3)]]
    assert torch.equal(torch.get_rng_state(), before)
    height, width = first.shape[-2:]
    assert torch.equal(again.pixels[0, :, :height, :width], first[0])
    others = [
        images[[SampleIndex(2, 4, 2)]],
        images[[SampleIndex(1, 5, 2)]],
        images_of(dataset, seed=4)[[SampleIndex(1, 4, 2)]],
    ]
    assert not any(torch.equal(first, other.pixels) for other in others)


def test_a_batch_counts_the_objects_that_crops_dropped(dataset):
    augmentation = augmentation_of("detr", SIZE, min_visibility=0.9)
    images = TrainingDataset(dataset, augmentation, Preprocessing(size=SIZE), seed=3)
    objects = sum(len(example.objects) for example in dataset)
    batches = [images[[SampleIndex(epoch, n, n) for n in range(6)]] for epoch in range(8)]
    dropped = [objects - sum(map(len, batch.targets)) for batch in batches]
    assert sum(batch.slivers for batch in batches) > 0
    assert all(batch.slivers <= count for batch, count in zip(batches, dropped, strict=True)), "some lie outside"
    assert images_of(dataset)[[SampleIndex(0, 0, 0)]].slivers == 0


def test_a_read_that_fails_once_is_tried_again(dataset, monkeypatch):
    failures, read = [2], samples.read_sample

    def unsteady(example, **options):
        if failures[0]:
            failures[0] -= 1
            raise ImageError("cannot be read: Stale file handle", source=example.path)
        return read(example, **options)

    monkeypatch.setattr(samples, "read_sample", unsteady)
    batch = images_of(dataset)[[SampleIndex(0, 0, 0)]]
    assert (len(batch), batch.unreadable) == (1, ())
    failures[0] = 3
    assert "Stale file handle" in images_of(dataset)[[SampleIndex(0, 0, 0)]].unreadable[0]


def test_a_deleted_image_is_left_out_and_listed(dataset):
    dataset[1].path.unlink()
    batch = images_of(dataset)[[SampleIndex(0, 0, 0), SampleIndex(0, 1, 1)]]
    assert (batch.names, batch.is_filler) == (("000.png",), False)
    assert "001.png" in batch.unreadable[0]
    alone = images_of(dataset)[[SampleIndex(0, 1, 1)]]
    assert alone.is_filler
    assert len(alone.unreadable) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_by_step_from_the_position_of_the_run(dataset, workers):
    sampling = Sampling(6, 0, batch=2, accumulate=2)
    feed = batches_of_steps(images_of(dataset), sampling, Position(0, 4), 3, workers=workers, pin=False)
    names = [[batch.names for batch in step] for step in feed]
    expected = [
        [tuple(f"{index.image:03}.png" for index in indices) for indices in step]
        for step in sampling.steps(Position(0, 4), 3)
    ]
    assert names == expected
    assert [len(step) for step in names] == [1, 2, 1]


def test_a_killed_worker_is_reported_by_pid(dataset):
    feed = batches_of_steps(images_of(dataset), Sampling(6, 0, batch=1), Position(), 1000, workers=1, pin=False)
    next(feed)
    (worker,) = multiprocessing.active_children()
    worker.kill()
    with pytest.raises(ModelError, match=rf"\(pid {worker.pid}\) died .*shared memory"):
        list(islice(feed, 100))
    feed.close()
    assert multiprocessing.active_children() == []
