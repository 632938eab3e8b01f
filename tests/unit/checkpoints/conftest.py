from pathlib import Path

import pytest

from condetr.checkpoints.saving import save
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from tests.scramble import scramble

LABELS = {0: "cat", 1: "dog", 2: "bird"}
TINY = DetectorConfig(
    backbone=ResNetDescription(block="basic", widths=(8, 8, 16, 16), depths=(1, 1, 1, 1), stem_widths=(8,)),
    num_labels=3,
    num_queries=5,
    d_model=16,
    encoder_layers=1,
    decoder_layers=2,
    encoder_ffn_dim=8,
    decoder_ffn_dim=8,
)


@pytest.fixture
def detector() -> ConditionalDetr:
    return scramble(ConditionalDetr(TINY).eval())


@pytest.fixture
def folder(tmp_path: Path, detector: ConditionalDetr) -> Path:
    """A model as condetr stores it."""
    save(tmp_path / "model", detector, LABELS)
    return tmp_path / "model"
