"""Numbers too small for the normal format of floats slow graphs down; the caller keeps them."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from condetr.export.running import ExportedNetwork

pytestmark = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor keeps denormals")

OPENING = """
import sys
from pathlib import Path
import torch
from condetr.export.graph_opening import open_detection
open_detection("onnx", Path(sys.argv[1]), 1)
sys.exit(0 if torch.tensor(1e-40) * 1 != 0 else "they are zero from now on")
"""


def are_kept():
    return float(np.float32(1e-40) * np.float32(1)) != 0 and bool(torch.tensor(1e-40) * 1 != 0)


def test_they_count_as_zero_while_a_graph_runs_and_not_after():
    inside = []

    def run(_):
        inside.append(are_kept())
        return {name: np.zeros((1, 2, 4), np.float32) for name in ("logits", "boxes")}

    ExportedNetwork(run)(torch.rand(1, 3, 8, 8))
    assert inside == [False]
    assert are_kept()


@pytest.mark.slow
def test_the_first_session_of_a_process_does_not_change_the_thread(digits_as):
    command = [sys.executable, "-c", OPENING, digits_as("onnx").folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
