import pytest
import torch

from condetr.checkpoints.fitted_copy import fitted_copy
from condetr.checkpoints.loading import load
from condetr.checkpoints.object_queries import TABLE
from condetr.checkpoints.saving import save
from condetr.core.errors import CheckpointError
from tests.unit.checkpoints.conftest import LABELS

PIXELS = torch.linspace(-1, 1, 3 * 64 * 96).reshape(1, 3, 64, 96)


def queries_of(detector):
    return detector.state_dict()[TABLE]


def test_more_queries_repeat_those_of_the_model_with_noise(folder, detector, tmp_path):
    torch.manual_seed(3)
    checkpoint = load(folder, num_queries=12)
    before, after = queries_of(detector), queries_of(checkpoint.detector)
    assert torch.equal(after[:5], before)
    for copies in (after[5:10] - before, after[10:] - before[:2]):
        assert copies.std() / before.std() == pytest.approx(0.1, rel=0.35)
    assert len(after.unique(dim=0)) == 12, "copies that are equal would learn the same for ever"
    assert checkpoint.config.num_queries == 12
    assert "object queries: 12, repeated with noise from 5" in checkpoint.provenance.notes
    state = detector.state_dict()
    others = [name for name in state if name != TABLE]
    assert all(torch.equal(checkpoint.detector.state_dict()[name], state[name]) for name in others)
    with torch.no_grad():
        assert checkpoint.detector(PIXELS).boxes.shape == (1, 12, 4)

    torch.manual_seed(3)
    assert torch.equal(queries_of(load(folder, num_queries=12).detector), after)
    assert not torch.equal(queries_of(load(folder, num_queries=12).detector), after)
    save(tmp_path / "again", checkpoint.detector, LABELS)
    assert torch.equal(queries_of(load(tmp_path / "again").detector), after)


def test_fewer_queries_are_the_first(folder, detector):
    checkpoint = load(folder, num_queries=2, classes=["dog", "fish"])
    assert torch.equal(queries_of(checkpoint.detector), queries_of(detector)[:2])
    assert "object queries: 2, the first of 5" in checkpoint.provenance.notes
    assert (checkpoint.config.num_queries, checkpoint.config.num_labels) == (2, 2)
    again = load(folder, num_queries=5)
    assert torch.equal(queries_of(again.detector), queries_of(detector))
    assert not any("object queries" in note for note in again.provenance.notes)


def test_half_precision_tables_grow(tmp_path, detector):
    save(tmp_path, detector, LABELS, dtype=torch.float16)
    assert len(queries_of(load(tmp_path, num_queries=9).detector).unique(dim=0)) == 9


@pytest.mark.parametrize("count", [0, -3, True])
def test_counts_that_cannot_be(folder, count):
    with pytest.raises(CheckpointError, match=r"num_queries: is .*, expected a whole number of at least 1"):
        load(folder, num_queries=count)


def test_a_copy_leaves_the_detector_as_it_is(detector):
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    copy, notes = fitted_copy(detector, LABELS, ["dog", "cat"], 8)
    assert (copy.config.num_queries, copy.config.num_labels) == (8, 2)
    assert notes[-1] == "object queries: 8, repeated with noise from 5"
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in detector.state_dict().items())
