import torch
from torch import distributed, multiprocessing

from condetr.core.records import Target
from condetr.losses.object_count import objects_in

CPU = torch.device("cpu")


def targets(*counts):
    return [Target(torch.zeros(count, dtype=torch.int64), torch.full((count, 4), 0.5)) for count in counts]


def test_counts_the_batch():
    assert objects_in(targets(2, 0, 3), CPU) == 5


def test_is_never_less_than_one():
    assert objects_in(targets(0, 0), CPU) == 1


def _process(rank, meeting, counts, answers):
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=len(counts))
    answers[rank] = objects_in(targets(counts[rank]), CPU)
    distributed.destroy_process_group()


def test_processes_share_their_average(tmp_path):
    """One of them has no object at all, and takes part like the other."""
    answers = torch.zeros(2).share_memory_()
    multiprocessing.spawn(_process, args=(tmp_path / "meeting", [0, 5], answers), nprocs=2)
    assert answers.tolist() == [2.5, 2.5]
