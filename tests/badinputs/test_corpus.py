"""Every hostile or unusual file of the corpus that concerns what condetr does so far is handled cleanly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("group", ["IMG", "ARR", "PTH", "CKP", "ANN"])
def test_every_case_is_clean(shared, tmp_path, group):
    judge = shared / "badinputs/run_corpus.py"
    words = ["--adapter", "tests.badinputs.adapter", "--only", f"^{group}-", "--out", str(tmp_path / "verdicts.json")]
    run = subprocess.run(
        [sys.executable, str(judge), *words],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    verdicts = json.loads((tmp_path / "verdicts.json").read_text())
    judged = [case for case in verdicts if case["verdict"] != "N/A"]
    assert len(judged) >= 8
    unclean = [
        f"{case['id']} {case['slug']}: {case['verdict']} {case['why']}" for case in judged if case["verdict"] != "CLEAN"
    ]
    assert not unclean, "\n".join(unclean)
