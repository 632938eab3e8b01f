"""Every hostile or unusual file of the corpus that concerns what condetr does so far is handled cleanly."""

import json
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SCRIPT = "import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"


@pytest.mark.parametrize("group", ["IMG", "ARR", "PTH", "CKP", "ANN"])
def test_every_case_is_clean(forked, shared, tmp_path, group):
    judge = shared / "badinputs/run_corpus.py"
    words = ["--adapter", "tests.badinputs.adapter", "--only", f"^{group}-", "--out", tmp_path / "verdicts.json"]
    run = forked.run("-c", SCRIPT, judge, *words, cwd=PROJECT)
    assert run.returncode == 0, run.stderr
    verdicts = json.loads((tmp_path / "verdicts.json").read_text())
    judged = [case for case in verdicts if case["verdict"] != "N/A"]
    assert len(judged) >= 8
    unclean = [
        f"{case['id']} {case['slug']}: {case['verdict']} {case['why']}" for case in judged if case["verdict"] != "CLEAN"
    ]
    assert not unclean, "\n".join(unclean)
