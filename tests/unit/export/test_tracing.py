import pytest
import torch

from condetr.export.graph import DetectionGraph
from condetr.export.tracing import traced_detection
from tests.tiny import tiny_detector


@pytest.mark.slow
def test_learned_positions_are_recorded_with_their_limit():
    """They know 50 cells a side; of 8 pixels each in the tiny network."""
    network = tiny_detector(position_embedding_type="learned").requires_grad_(requires_grad=False)
    program = traced_detection(DetectionGraph(network).eval(), 3).program
    assert "400" in {str(bounds.upper) for bounds in program.range_constraints.values()}
    recorded = program.module()
    for batch, height, width in ((1, 40, 64), (3, 90, 33)):
        pixels, mask = torch.randn(batch, 3, height, width), torch.ones(batch, height, width, dtype=torch.bool)
        mask[-1, :, width // 2 :] = False
        for theirs, ours in zip(recorded(pixels, mask), network(pixels, mask), strict=True):
            torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)
