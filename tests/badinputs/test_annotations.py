"""Every annotation case of the hostile corpus, judged by the corpus' own judge."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.badinputs.annotations import is_annotation_case, observe

CORPUS = Path(__file__).parents[3] / "shared" / "badinputs"
CASES = json.loads((CORPUS / "public/manifest.json").read_text()) if CORPUS.is_dir() else []
ANNOTATIONS = [case for case in CASES if is_annotation_case(case) and case["slug"] != "giant_json"]


def corpus_module(name):
    spec = importlib.util.spec_from_file_location(name, CORPUS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def judge(shared):
    return corpus_module("run_corpus").judge


@pytest.mark.parametrize("case", ANNOTATIONS, ids=lambda case: case["slug"])
def test_public_case(case, judge):
    result = {"markers": [], "log": "", "s": 0.0, "rss_mb": 0}
    try:
        result |= {"status": "ok", "obs": observe(case, CORPUS / "public" / case["file"])}
    except Exception as error:
        result |= {"status": "error", "type": type(error).__name__, "msg": str(error), "line": "raise"}
    verdict, why = judge(case, result)
    assert verdict == "CLEAN", why


def test_four_hundred_thousand_boxes_are_read_and_reported(shared, tmp_path):
    """60 MB in a process of its own, without the checks of every call that tests run under."""
    path = corpus_module("on_the_fly").make_on_the_fly("giant_json", tmp_path)
    (tmp_path / "images").symlink_to(CORPUS / "public/annotations/images")
    program = f"""
import resource
from pathlib import Path
from tests.badinputs.annotations import observe
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seen = observe({{"use": "dataset", "expect": {{}}}}, Path({str(path)!r}))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert (seen["images"], seen["boxes"]) == (4, 400_000)
assert "has 100000 objects; 300 queries" in seen["report"]
assert after - before < 2 * 2**20, f"{{after - before}} KiB"
"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=60)
