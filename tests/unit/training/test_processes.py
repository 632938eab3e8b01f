import sys

import pytest
import torch
from torch import nn

from condetr.core.errors import MissingExtraError, UsageError
from condetr.training.processes import Processes, is_first_process


def test_one_process_needs_no_setting_up():
    one = Processes("cpu")
    assert (one.rank, one.count, one.device, one.is_first) == (0, 1, torch.device("cpu"), True)
    network = nn.Linear(1, 1)
    assert one.wrapped(network) is network
    assert (one.any(flag=True), one.any(flag=False)) == (True, False)
    assert one.gathered("a") == ["a"]
    assert one.from_first("a") == "a"
    assert one.mean([1.0, 2.0]) == [1.0, 2.0]
    one.agree("settings", "a")
    with one.adding_up(network):
        pass


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="device"):
        Processes("cuda:99")


@pytest.mark.filterwarnings("ignore:`log_with=.* was passed but no supported trackers:UserWarning")
def test_a_tracker_must_exist_and_be_installed(tmp_path, monkeypatch):
    from accelerate import tracking

    monkeypatch.setattr(tracking, "get_available_trackers", list)
    with pytest.raises(UsageError, match="Unsupported logging capability: wild"):
        Processes("cpu", trackers=["wild"], folder=tmp_path)
    with pytest.raises(MissingExtraError, match=r"needs tensorboard \(pip install"):
        Processes("cpu", trackers=["tensorboard"], folder=tmp_path)
    with pytest.raises(UsageError, match=r"wandb is not installed \(pip install wandb\)"):
        Processes("cpu", trackers=["wandb"], folder=tmp_path)


def test_without_accelerate_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtraError, match=r'pip install "condetr\[train\]"') as caught:
        Processes("cpu")
    assert caught.value.exit_status == 7


def test_the_launcher_says_who_is_first(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert is_first_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_first_process()
