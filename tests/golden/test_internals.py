"""What stands between the image and the boxes agrees with the authors' code on the same weights.

Outputs are compared elsewhere; a network can be wrong inside and lucky outside.
"""

from dataclasses import replace

import pytest
import torch

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.translate import to_condetr
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet_names import RESNETS
from condetr.model.transformer import grid_mask

LARGE = DetectorConfig(backbone=RESNETS["resnet50"])
CONFIGS = {
    "orig_r50": LARGE,
    "orig_r50_dc5": replace(LARGE, backbone=replace(RESNETS["resnet50"], output_stride=16)),
    "orig_r18_learned": DetectorConfig(
        backbone=RESNETS["resnet18"],
        encoder_layers=2,
        decoder_layers=3,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=20,
        num_labels=7,
        position_embedding_type="learned",
    ),
}
TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}  # the peers agree with each other to 1e-5


@pytest.mark.parametrize("case", CONFIGS)
@torch.no_grad()
def test_every_stage_of_the_network(goldens, case):
    detector = ConditionalDetr(CONFIGS[case]).eval()
    shapes = {name: tensor.shape for name, tensor in detector.state_dict().items()}
    stored = goldens.state_dict(case, "orig")
    detector.load_state_dict(to_condetr(StoredState.of(stored, case), shapes, detector.config.backbone).tensors)
    pixels, mask = goldens.inputs(case)
    expected, _ = goldens.expected(case)

    trace = detector.trace(pixels, mask.bool())
    rows, columns = trace.features[-1].shape[-2:]
    cells = grid_mask(pixels, mask.bool(), rows, columns)
    assert torch.equal(~cells, expected["mask_last"].bool())  # the authors mark the padding
    _close(trace.features[-1][:, ::16], expected["feature_last"])
    position = detector.body.position(cells).transpose(1, 2).unflatten(2, (rows, columns))
    real = cells[:, None].expand(-1, 32, -1, -1)
    _close(position[:, ::8][real], expected["pos"][real])
    memory = trace.memory.transpose(1, 2).unflatten(2, (rows, columns))
    real = cells[:, None].expand_as(memory)
    _close(memory[real], expected["memory"][real])
    _close(trace.reference_logits.sigmoid(), expected["reference"])
    _close(trace.embeddings[0], expected["hs_first"])
    _close(trace.embeddings[-1], expected["hs_last"])

    *early, last = detector.predict_layers(pixels, mask.bool())
    _close(last.logits, expected["pred_logits"])
    _close(last.boxes, expected["pred_boxes"])
    _close(torch.stack([prediction.boxes for prediction in early]), expected["aux_boxes"])
    sums = torch.stack([prediction.logits.sum(-1) for prediction in early])
    torch.testing.assert_close(sums, expected["aux_logits_sum"], atol=1e-2, rtol=1e-4)  # of up to 91 numbers


def _close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, **TOLERANCE)
