import pytest
import torch

from condetr.core.errors import UsageError
from condetr.speed import compute_type as precision
from condetr.speed.compute_type import check_precision, lower_precision, why_slower
from condetr.speed.folding import fold_norms
from tests.unchecked import without_shape_checks
from tests.unit.speed.networks import detector, segmenter

CPU = torch.device("cpu")


def test_a_cpu_without_fp16_units_refuses_with_the_reason():
    assert "by converting to fp32" in why_slower("fp16", CPU)
    with pytest.raises(UsageError, match=r"precision: fp16 is slower on cpu: .* \(use fp32\)"):
        lower_precision(detector(), "fp16")


def test_bf16_on_cpus_needs_amx(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert "no matrix units" in why_slower("bf16", CPU)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert why_slower("bf16", CPU) is None


@pytest.mark.parametrize("build", [detector, lambda: fold_norms(detector())])
def test_boxes_and_scores_stay_precise(build, monkeypatch):
    monkeypatch.setattr(precision, "why_slower", lambda *_: None)
    plain, pixels = build(), torch.randn(2, 3, 64, 96)
    rough = lower_precision(plain, "bf16")
    assert lower_precision(rough, "bf16") is rough
    assert {weight.dtype for weight in rough.network.body.encoder.parameters()} == {torch.bfloat16}
    lower, exact = rough(pixels), plain(pixels)
    assert lower.boxes.dtype == lower.logits.dtype == torch.float32
    assert (lower.boxes - exact.boxes).abs().max() < 0.05
    assert not torch.equal(lower.boxes, exact.boxes)
    assert len(lower.boxes.unique()) > len(lower.boxes.bfloat16().unique())
    assert {weight.dtype for weight in plain.parameters()} == {torch.float32}


@torch.no_grad()
def test_masks_have_the_precision_of_the_head(monkeypatch):
    monkeypatch.setattr(precision, "why_slower", lambda *_: None)
    plain, pixels, queries = segmenter(), torch.randn(1, 3, 64, 96), [torch.arange(7)]
    rough = lower_precision(plain, "bf16")
    [lower], [exact] = (item.segment(item.trace(pixels), queries) for item in (rough, plain))
    assert lower.dtype == torch.float32
    assert (lower - exact).abs().max() < 0.2 < exact.std()


def test_an_unknown_precision():
    with (
        without_shape_checks(),
        pytest.raises(UsageError, match="precision: is 'int4', expected one of fp32, bf16, fp16"),
    ):
        check_precision("int4", CPU)
