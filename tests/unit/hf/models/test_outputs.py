import copy
import pickle

import pytest
import torch
from torch.utils import _pytree

from condetr.hf.models.outputs import BaseModelOutput, ConditionalDetrModelOutput, ConditionalDetrObjectDetectionOutput


@pytest.fixture
def output():
    return ConditionalDetrObjectDetectionOutput(pred_boxes=torch.rand(1, 2, 4), logits=torch.rand(1, 2, 3))


def test_by_attribute_name_and_place(output):
    assert output.logits is output["logits"] is output[0]
    assert output[1:] == (output.pred_boxes,)
    assert list(output) == ["logits", "pred_boxes"]  # declared order, whatever the order of arguments
    assert output.to_tuple() == tuple(output.values())


def test_what_is_not_there_is_none_and_takes_no_place(output):
    assert output.loss is None
    assert "loss" not in output
    assert output.get("loss") is None
    with pytest.raises(KeyError):
        output["loss"]
    with pytest.raises(AttributeError, match="no 'scores'"):
        _ = output.scores
    with pytest.raises(TypeError, match="scores"):
        ConditionalDetrObjectDetectionOutput(scores=1)


def test_setting_keeps_the_order(output):
    output.loss = torch.tensor(1.0)
    assert list(output) == ["loss", "logits", "pred_boxes"]
    output["logits"] = torch.zeros(1)
    assert output.logits is output[1]
    output.loss = None
    assert list(output) == ["logits", "pred_boxes"]


def test_what_others_add_comes_last(output):
    added = type(output)({"target_size": torch.tensor([[3, 4]]), **output})  # as transformers' pipeline does
    assert list(added) == ["logits", "pred_boxes", "target_size"]
    added["note"] = 1
    added.loss = torch.tensor(1.0)
    added.update({"more": 2, "nothing": None})
    assert list(added) == [*added.keys()] == ["loss", "logits", "pred_boxes", "target_size", "note", "more"]
    assert (added.note, added["more"], added[-1], len(added.to_tuple())) == (1, 2, 2, 6)
    assert {**added}["target_size"] is added.target_size
    assert list(copy.deepcopy(added)) == list(added)
    leaves, structure = _pytree.tree_flatten(added)
    assert list(_pytree.tree_unflatten(leaves, structure)) == list(added)


def test_made_of_pairs_of_a_dict_and_of_its_first_field(output):
    assert type(output)(output.items()) == type(output)(dict(output)) == output
    assert BaseModelOutput(output.logits).last_hidden_state is output.logits


def test_copies_and_pickles(output):
    for same in (copy.copy(output), copy.deepcopy(output), pickle.loads(pickle.dumps(output))):
        assert type(same) is type(output)
        assert list(same) == list(output)
        assert torch.equal(same.logits, output.logits)


def test_says_its_name(output):
    assert repr(output).startswith("ConditionalDetrObjectDetectionOutput(logits=")


def test_wrappers_find_the_tensors():
    output = ConditionalDetrModelOutput(last_hidden_state=torch.ones(2), decoder_hidden_states=(torch.zeros(2),))
    leaves, structure = _pytree.tree_flatten(output)
    assert len(leaves) == 2
    again = _pytree.tree_unflatten([leaf + 1 for leaf in leaves], structure)
    assert isinstance(again, ConditionalDetrModelOutput)
    assert torch.equal(again.decoder_hidden_states[0], torch.ones(2))
