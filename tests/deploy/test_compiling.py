"""A compiled network answers alike. A process of its own: the shape checker of tests cannot be compiled."""

import os
import shutil
from pathlib import Path

import pytest

PROGRAM = """
import torch
from torch._inductor import config
from condetr.model.config import ResNetDescription
from condetr.speed.accelerate import AccelerationOptions, accelerate
from tests.unit.speed.networks import segmenter

config.compile_threads = 1  # others would import PyTorch
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
def test_a_compiled_network_answers_alike(forked, tmp_path):
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ran = forked.run("-c", PROGRAM, cwd=Path(__file__).parents[2], env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]
