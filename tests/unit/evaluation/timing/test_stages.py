import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import ImageError
from condetr.evaluation.timing.machine import Machine, machine_of, peak_memory, reset_peak_memory
from condetr.evaluation.timing.stages import STEPS, WARM_UP, Row, time_stages
from condetr.evaluation.timing.stages_chart import stages_chart
from tests.tiny import PREPROCESSING, tiny_detector

CPU = Machine(torch.device("cpu"), "a processor", 1, peak=1e9)


def timed(batch=1, files=(), rounds=3, **more):
    network, seen, ticks = tiny_detector(), [], []
    network.register_forward_hook(lambda module, inputs, answer: seen.append(tuple(inputs[0].shape)))
    row = time_stages(
        network,
        PREPROCESSING,
        files,
        size=(40, 56),
        batch=batch,
        rounds=rounds,
        operations=10**6,
        machine=CPU,
        on_round=lambda: ticks.append(1),
        **more,
    )
    return row, seen, ticks


def test_every_step_is_timed_on_its_own():
    row, seen, ticks = timed(batch=2)
    assert seen == [(2, 3, 40, 56)] * (3 + WARM_UP)
    assert len(ticks) == len(seen)
    assert set(row.steps) == set(STEPS)
    for step in (*row.steps.values(), row.total):
        assert 0 < step["p50"] <= step["p90"] <= step["p99"]
    assert row.total["p99"] >= max(step["p50"] for step in row.steps.values())
    assert row.pictures_per_second == pytest.approx(2000 / row.total["p50"], rel=0.01)
    assert row.operations == 2 * 10**6
    assert row.share_of_peak > 0


def test_listed_images_are_taken_in_turn(tmp_path, monkeypatch):
    files = [tmp_path / f"{name}.png" for name in "abc"]
    for number, file in enumerate(files):
        Image.fromarray(np.full((30 + number, 40, 3), 100, np.uint8)).save(file)
    opened = []
    from condetr.evaluation.timing import stages

    real = stages.decode
    monkeypatch.setattr(stages, "decode", lambda source: opened.append(source) or real(source))
    timed(batch=2, files=files, rounds=2)
    assert opened == [files[n] for n in (0, 1, 2, 0, 1, 2, 0, 1)]
    files[1].write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"b\.png"):
        timed(files=files)


def test_the_machine_is_measured():
    machine = machine_of(torch.device("cpu"))
    assert machine.threads == torch.get_num_threads()
    assert 1e8 < machine.peak < 1e14
    assert machine.to_dict()["peak_gflops"] == round(machine.peak / 1e9, 1)


@pytest.mark.skipif(peak_memory(torch.device("cpu")) is None, reason="this system does not tell")
def test_memory_is_seen_at_its_highest():
    reset_peak_memory(torch.device("cpu"))
    before = peak_memory(torch.device("cpu"))
    taken = torch.ones(2**26)  # 256 MiB
    del taken
    assert peak_memory(torch.device("cpu")) - before > 200 * 2**20


def test_bars_are_as_long_as_the_steps_take():
    def row(forward):
        steps = {name: {"p50": 1.0, "p90": 1.0, "p99": 1.0} for name in STEPS}
        steps["forward"] = dict.fromkeys(("p50", "p90", "p99"), forward)
        return Row((480, 640), 1, steps, steps["forward"], 1.0, 1, 0.5, None)

    chart = np.asarray(stages_chart([row(97.0), row(47.0)], "a title")).astype(int)
    blue = (np.abs(chart - (60, 110, 200)).sum(2) < 30).sum(1)
    first, second = blue[84:112].max(), blue[120:148].max()
    assert first / second == pytest.approx(97 / 47, rel=0.02)
