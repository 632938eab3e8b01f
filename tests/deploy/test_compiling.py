"""A compiled network answers alike. A process of its own: the shape checker of tests cannot be compiled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import torch
from condetr.model.config import ResNetDescription
from condetr.speed.accelerate import AccelerationOptions, accelerate
from tests.unit.speed.networks import segmenter

pixels, mask = torch.randn(2, 3, 64, 96), torch.ones(2, 64, 96, dtype=torch.bool)
mask[1, 40:] = False
backbone = ResNetDescription(block="basic", depths=(1, 1, 1), widths=(8, 16, 32), stem_widths=(8,))
plain, queries = segmenter(backbone, decoder_layers=1), [torch.arange(7)] * 2  # a layer is compiled for seconds
fast = accelerate(plain, torch.device("cpu"), AccelerationOptions(compile=True))
assert "compiled with frozen weights" in fast.steps
with torch.inference_mode():
    for mine, theirs in zip(*(one.segment(one.trace(pixels, mask), queries) for one in (fast, plain)), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-3)  # sums in another order
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler for processors")
def test_a_compiled_network_answers_alike(tmp_path):
    root = Path(__file__).parents[2]
    places = {"PYTHONPATH": f"{root / 'src'}:{root}", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | places, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
