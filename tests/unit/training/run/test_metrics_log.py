import csv
import json
from pathlib import Path

import pytest

from condetr.training.progress import Position, Progress
from condetr.training.run.curves import HEIGHT, WIDTH, curves_of
from condetr.training.run.events import Warned
from condetr.training.run.metrics_log import MetricsLog, rows_before


def training(step):
    return {"step": step, "epoch": step / 4, "loss": 1 / (step + 1), "lr": 0.1, "pictures_per_second": 3.0}


def evaluation(step):
    return {"step": step, "epoch": step / 4, "ap": 0.5}


def table_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_lines_and_table_say_the_same(tmp_path):
    log = MetricsLog(tmp_path, [].append, [])
    for row in (training(1), training(2), evaluation(2), training(3)):
        log.add(row)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == log.rows == [training(1), training(2), evaluation(2), training(3)]
    assert [(row["step"], row["loss"], row["ap"]) for row in table_of(tmp_path)] == [
        ("1", "0.5", ""),
        ("2", str(1 / 3), ""),
        ("2", "", "0.5"),
        ("3", "0.25", ""),
    ]


def test_a_resumed_run_forgets_what_it_will_write_again(tmp_path):
    log = MetricsLog(tmp_path, [].append, [])
    for row in (training(4), evaluation(4), training(8), evaluation(8), training(9)):
        log.add(row)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 10, "ep')  # killed in the middle of a line
    before = Progress(step=8, position=Position(2, 0), evaluated_step=4)
    assert rows_before(tmp_path, before) == [training(4), evaluation(4), training(8)]
    after = Progress(step=8, position=Position(2, 0), evaluated_step=8)
    MetricsLog(tmp_path, [].append, rows_before(tmp_path, after))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4
    assert rows_before(tmp_path, Progress()) == []


FULL = Path("/dev/full")  # a disk without space


@pytest.mark.parametrize("stands_for_it", ["a folder", "a full disk"])
def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(tmp_path, stands_for_it):
    if stands_for_it == "a full disk" and not FULL.exists():
        pytest.skip(f"needs {FULL}")
    said = []
    log = MetricsLog(tmp_path, said.append, [])
    for name in ("metrics.jsonl", "metrics.csv"):
        (tmp_path / name).unlink()
        if stands_for_it == "a folder":
            (tmp_path / name).mkdir()
        else:
            (tmp_path / f".{name}").symlink_to(FULL)
            (tmp_path / name).symlink_to(FULL)
    for step in range(4):
        log.add(training(step))
    assert len(log.rows) == 4
    assert len(said) == 1
    assert isinstance(said[0], Warned)
    why = "Is a directory" if stands_for_it == "a folder" else "No space left on device"
    assert said[0].text == f"{tmp_path}/metrics.jsonl cannot be written, training continues without it: {why}"
    log.report_totals()
    assert said[1:] == [Warned(f"{tmp_path}: the log could not be written {log.failed} times")]


def test_curves_have_a_panel_more_once_something_was_measured():
    rows = [training(step) for step in range(1, 9)]
    assert curves_of(rows).size == (2 * WIDTH, 2 * HEIGHT)
    assert curves_of([*rows, evaluation(8)]).size == (2 * WIDTH, 3 * HEIGHT)
    assert curves_of([]).size == (2 * WIDTH, 2 * HEIGHT)
    assert curves_of([training(1) | {"loss": float("nan"), "gradient": 0.0}]).getbbox() is not None


DAMAGED_ROWS = [
    b"\xff\xfe", b"{", b"[1, 2]", b"null", b'{"epoch": 1.0}', b'{"step": "a"}', b'{"step": null}', b'{"step": true}',
    b'{"step": 1, "loss": "x"}', b'{"step": 1, "loss": {"a": 1}}', b'{"step": 1, "loss": NaN}', b'{"step": 1e999}',
    b"9" * 6000, b"[" * 100_000, b'{"step": 1, "loss": ' + b"9" * 400 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("row", DAMAGED_ROWS, ids=range(len(DAMAGED_ROWS)))
def test_a_damaged_row_is_left_out_and_said_once(tmp_path, row):
    log = MetricsLog(tmp_path, [].append, [training(4), training(8)])
    lines = log._lines.read_bytes().splitlines()
    damaged = b"\n".join([lines[0], row, row, lines[1], b""])
    log._lines.write_bytes(damaged)
    said = []
    rows = rows_before(tmp_path, Progress(step=9), said.append)
    assert rows == [training(4), training(8)]
    path = tmp_path / "metrics.jsonl"
    assert said == [Warned(f"{path}: 2 damaged rows are left out; metrics-damaged.jsonl is a copy of the file")]
    assert (tmp_path / "metrics-damaged.jsonl").read_bytes() == damaged
    MetricsLog(tmp_path, said.append, rows)
    assert rows_before(tmp_path, Progress(step=9), said.append) == rows
    assert len(said) == 1
