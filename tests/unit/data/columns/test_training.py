"""Training on columns has the bits of training on records, also where a run began with the other."""

from dataclasses import replace

import pytest
import torch

from condetr.data.columns.building import columns_of
from condetr.data.columns.column_file import ColumnFile
from condetr.data.columns.examples import mapped
from condetr.data.discovery.formats import read_dataset
from condetr.data.records import SampleIndex
from condetr.training.run.callbacks import StopTraining
from condetr.training.run.events import Stepped
from tests.unit.data.columns.test_columns import hard_content
from tests.unit.training.runs import small_run, state_of
from tests.unit.training.scenes import write_scenes

# Of `read_dataset` before there were columns: a run that began then resumes.
FINGERPRINT = "07855142b680c88450e11385e9e1f990c808858177f822aa97fa441289aca735"


def kept(dataset, path):
    file = ColumnFile(path)
    file.write(columns_of(dataset.examples).arrays)
    return replace(dataset, examples=mapped(file))


def stop_at_three(event):
    if isinstance(event, Stepped) and event.step == 3:
        raise StopTraining


@pytest.mark.slow
def test_a_run_that_began_on_records_goes_on_with_columns_to_the_same_bits(tmp_path):
    records = write_scenes(tmp_path / "scenes", 7, empty=range(3))
    columns = kept(records, tmp_path / "scenes.columns")
    small_run(tmp_path / "whole", records)
    small_run(tmp_path / "parted", records, callbacks=[stop_at_three])
    assert state_of(tmp_path / "parted") != state_of(tmp_path / "whole")
    small_run(tmp_path / "parted", columns, resume=True)
    assert state_of(tmp_path / "parted") == state_of(tmp_path / "whole")


@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
def test_samples_are_the_same(coco, tmp_path, masks):
    content = hard_content()
    content["annotations"] = [record for record in content["annotations"] if record["id"] != 4]
    records = read_dataset(coco(content), masks=masks)
    columns = kept(records, tmp_path / "labels.columns")
    for image in range(len(records)):
        first, second = (data.sample(SampleIndex(0, 0, image), masks=masks) for data in (records, columns))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert records.fingerprint() == columns.fingerprint()


def test_the_fingerprint_is_that_of_old_runs(coco):
    assert kept(read_dataset(coco()), coco().with_suffix(".columns")).fingerprint() == FINGERPRINT
