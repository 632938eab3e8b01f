import sys
import time
from types import SimpleNamespace

import pytest
import torch
from torch import distributed, nn

from condetr.core.errors import LostContactError, MissingExtraError, ModelError, UsageError
from condetr.training import processes
from condetr.training.failure_guard import is_lost_contact
from condetr.training.processes import Processes
from condetr.training.run.events import Warned


def test_one_process_needs_no_setting_up():
    one = Processes("cpu")
    assert (one.rank, one.count, one.device, one.is_first) == (0, 1, torch.device("cpu"), True)
    network = nn.Linear(1, 1)
    assert one.wrapped(network) is network
    assert (one.any(flag=True), one.any(flag=False)) == (True, False)
    assert one.gather("a") == ["a"]
    assert one.from_first("a") == "a"
    assert one.mean([1.0, 2.0]) == [1.0, 2.0]
    one.agree("settings", "a")
    with one.no_sync(network):
        pass


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="device"):
        Processes("cuda:99")


def test_a_tracker_must_exist_and_be_installed(tmp_path, monkeypatch):
    from accelerate import tracking

    monkeypatch.setattr(tracking, "get_available_trackers", list)
    with pytest.raises(UsageError, match="log: is wild, expected some of aim"):
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


def test_waiting_is_reported_long_before_the_timeout(monkeypatch):
    assert processes.TIMEOUT.total_seconds() > 600
    assert processes.WARN_AFTER == 60
    monkeypatch.setattr(processes, "WARN_AFTER", 0.02)
    said = []
    with Processes("cpu", say=said.append)._warn_if_waiting():
        time.sleep(0.2)
    assert said == [Warned("process 0 has been waiting for the others for 0 s")]


def test_no_process_trains_alone_where_a_launcher_started_more(monkeypatch):
    """As with `device: auto` on a machine without GPUs; accelerate itself does not notice."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    accelerate = SimpleNamespace(process_index=0, num_processes=1, device=torch.device("cpu"))
    monkeypatch.setattr("accelerate.Accelerator", lambda **_: accelerate)
    monkeypatch.setattr("condetr.training.processes.join_group", lambda *_: None)
    with pytest.raises(UsageError, match="the launcher started 2 processes, but this one is connected to 0 others"):
        Processes("auto")


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match=r"4 processes were started on this machine, which has 2 GPUs .*--device cpu"):
        Processes("auto")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Connection closed by peer [::1]:5"),
        distributed.DistBackendError("NCCL communicator was aborted on rank 1."),
        LostContactError("another process ended early"),
    ],
)
def test_lost_contact_is_recognized(error):
    assert is_lost_contact(error)


@pytest.mark.parametrize(
    "error",
    [
        ModelError("10 steps in a row were left out; the last: the loss is not finite in the images gloo/1.jpg"),
        ModelError("[gloo/transport/a.jpg:1] is a file"),
        RuntimeError("Broken pipe in NCCL/gloo.jpg: Connection closed"),
    ],
)
def test_a_file_name_is_no_lost_process(error):
    assert not is_lost_contact(error)


def test_a_tracker_that_fails_is_warned_about_once_and_ends_nothing():
    def fail(*given, **more):
        raise OSError("No space left on device")

    said = []
    one = Processes("cpu", say=said.append)
    tracker = SimpleNamespace(finish=fail)
    one._accelerator = SimpleNamespace(log_with=["wild"], init_trackers=fail, log=fail, trackers=[tracker])
    one.start_trackers({"lr": 0.1})
    one.track({"loss": 1.0}, step=1)
    one.end_trackers()
    assert said == [
        Warned("a tracker failed, training continues without it: OSError: No space left on device"),
        Warned("trackers failed 3 times in all"),
    ]
