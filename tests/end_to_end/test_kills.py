"""A few trials of the study in ``benchmarks/``: kill -9 at random times and inside saves; every run goes on."""

import json
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_whatever_a_run_is_killed_at_it_goes_on_to_the_same_weights(forked, tmp_path):
    words = ["-m", "benchmarks.kill_study", "--random", "2", "--inside", "4", "--seed", "1"]
    done = forked.run(*words, "--json", tmp_path / "kills.json", cwd=PROJECT)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = json.loads((tmp_path / "kills.json").read_text())["trials"]
    assert [trial["same"] for trial in trials] == [True] * 6
    assert {trial["died_of"] for trial in trials[2:]} == {-9}
