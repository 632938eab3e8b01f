import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from condetr.core.errors import UsageError
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.speed.accelerate import accelerate, plan_acceleration
from condetr.speed.conv_norm_pairs import conv_norm_pairs
from condetr.speed.decoder_constants import precompute_decoder
from condetr.speed.folding import fold_norms
from condetr.speed.fused_blocks import FusedBlock, fuse_blocks
from condetr.speed.fused_feedforward import activate_in_place
from condetr.speed.onednn import PackedConvolution, is_available, pack_convolutions
from condetr.speed.packed_linear import MIN_WEIGHTS, PackedFeedForward, PackedLinear, pack_linears
from condetr.speed.position_cache import cache_position_grids
from condetr.speed.weights_version import weights_version
from condetr.speed.winograd.convolution import WinogradConvolution, use_winograd
from tests.unit.speed.networks import BACKBONES, BOTTLENECK, detector

CPU = torch.device("cpu")
PORTABLE = [fold_norms, use_winograd, fuse_blocks, precompute_decoder, activate_in_place, cache_position_grids]
PACKING = [pack_convolutions, pack_linears]
STEPS = [*PORTABLE, *PACKING]
WIDE = {"d_model": 256, "encoder_ffn_dim": 256, "decoder_ffn_dim": 320}  # for linear layers that are packed
needs_onednn = pytest.mark.skipif(not is_available(), reason="this torch has no oneDNN")


def accelerated(model):
    return accelerate(model, CPU)


def inputs(batch=2, size=(70, 101), *, padded=True):
    pixels, mask = torch.randn(batch, 3, *size), torch.ones(batch, *size, dtype=torch.bool)
    if padded:
        mask[-1, 50:] = False
        mask[-1, :, 80:] = False
        pixels *= mask[:, None]
    return pixels, mask if padded else None


@torch.no_grad()
def assert_same_answers(fast, plain, *batch):
    """Sums in another order, and a few digits less of Winograd's products; double precision tells them from bugs."""
    exact = copy.deepcopy(plain).double()(batch[0].double(), *batch[1:])
    for mine, theirs in zip(fast(*batch), exact, strict=True):
        torch.testing.assert_close(mine.double(), theirs, atol=5e-5, rtol=5e-5)


@pytest.mark.parametrize("step", [*STEPS, accelerated])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_step_answers_like_the_model(step, backbone):
    if step in PACKING and not is_available():
        pytest.skip("this torch has no oneDNN")
    plain = detector(BACKBONES[backbone])
    fast = step(plain)
    assert_same_answers(fast, plain, *inputs())
    assert_same_answers(fast, plain, *inputs(3, (64, 96), padded=False))


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.no_grad()
def test_the_maps_of_every_stage_stay(backbone):
    """Blocks write into memory that is there already, but not into a map that others read."""
    plain, (pixels, _) = detector(BACKBONES[backbone]), inputs()
    for mine, theirs in zip(accelerated(plain).network.body.backbone(pixels), plain.body.backbone(pixels), strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(mine / scale, theirs / scale, atol=2e-5, rtol=0)


@pytest.mark.parametrize("changes", [
    {"position_embedding_type": "learned"},
    {"carry_norm": True},
    {"decoder_layers": 1},
    {"decoder_layers": 1, "carry_norm": True},
    {"encoder_layers": 0},
    {"activation_function": "gelu"},
    WIDE,
    WIDE | {"activation_function": "gelu", "carry_norm": True},
    {"dropout": 0.3, "attention_dropout": 0.3, "decoder_layerdrop": 0.5, "encoder_layerdrop": 0.5},
])  # fmt: skip
def test_every_transformer(changes):
    plain = detector(**changes)
    assert_same_answers(accelerated(plain), plain, *inputs())
    assert_same_answers(accelerated(plain.train()), plain.eval(), *inputs(1, padded=False))


@pytest.mark.parametrize("size", [(1, 1), (33, 1), (31, 97), (200, 40)])
def test_any_size_in_any_order(size):
    plain = detector(BOTTLENECK)
    fast = accelerated(plain)
    for batch, shape in ((1, size), (2, (64, 64)), (3, size), (1, size)):
        assert_same_answers(fast, plain, *inputs(batch, shape, padded=False))


OF_TIMM = {
    "resnet10t": 0,
    "tf_mobilenetv3_small_minimal_100": 0,  # pads by the size of its input
    "mobilenetv3_small_100": 0,  # other activations than clamping ones
    "resnest14d": 2,  # wide grouped convolutions, and convolutions with biases
    "ese_vovnet19b_slim": 0,  # wide convolutions that clamp
    "densenet121": 19,  # half of its norms are before convolutions
}


@pytest.mark.parametrize("name", OF_TIMM)
@pytest.mark.parametrize("step", [fold_norms, accelerated])
def test_a_backbone_of_timm(name, step):
    pytest.importorskip("timm")
    from condetr.model.config import TimmDescription

    plain = detector(TimmDescription(name=name, out_indices=(1, 2)))
    fast = step(plain)
    assert_same_answers(fast, plain, *inputs())
    assert_same_answers(fast, plain, *inputs(3, (64, 97), padded=False))
    kept = sum(isinstance(part, FrozenBatchNorm) for part in fast.network.body.backbone.modules())
    assert kept <= OF_TIMM[name] < sum(isinstance(part, FrozenBatchNorm) for part in plain.modules())


def test_two_threads_accelerate_at_once():
    pytest.importorskip("timm")
    from condetr.model.config import TimmDescription

    plain = detector(TimmDescription(name="resnet10t", out_indices=(1, 2)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: len(conv_norm_pairs(plain.body.backbone)), range(16)))
    assert set(found) == {8}
    assert_same_answers(accelerated(plain), plain, *inputs())


@pytest.mark.parametrize("step", [*STEPS, accelerated])
def test_the_model_stays_as_it_is_and_learns(step):
    plain = detector(BOTTLENECK)
    before, names = weights_version(plain), list(plain.state_dict())
    answer = plain(*inputs())
    fast = step(plain)
    fast(*inputs())
    assert weights_version(plain) == before
    assert list(plain.state_dict()) == names
    assert {id(weight) for weight in plain.parameters()}.isdisjoint(map(id, fast.parameters()))
    mine = {tensor.data_ptr() for tensor in (*plain.parameters(), *plain.buffers())}
    assert mine.isdisjoint(tensor.data_ptr() for tensor in (*fast.parameters(), *fast.buffers()))
    assert not any(weight.requires_grad for weight in fast.parameters())
    plain.train()
    sum(part.square().mean() for part in plain(*inputs())).backward()
    assert all(weight.grad is not None for weight in plain.parameters())
    assert answer.logits.requires_grad


@pytest.mark.parametrize("step", [*STEPS, accelerated])
def test_twice_is_once(step):
    fast = step(detector(BOTTLENECK))
    assert step(fast) is fast
    assert len(set(fast.steps)) == len(fast.steps)


def test_the_order_of_steps_does_not_matter():
    plain = detector(BOTTLENECK)
    one, other = plain, plain
    for step, back in zip(PORTABLE, reversed(PORTABLE), strict=True):
        one, other = step(one), back(other)
    assert set(one.steps) == set(other.steps)
    assert_same_answers(other, plain, *inputs())


@pytest.mark.parametrize("build", [detector, lambda: fold_norms(detector())])
def test_a_step_leaves_what_it_was_given_alone(build):
    before = build()
    names = [type(part) for part in before.modules()]
    accelerated(before)
    assert [type(part) for part in before.modules()] == names


@needs_onednn
def test_the_planned_modules_are_there():
    parts = list(accelerated(detector(BOTTLENECK)).modules())
    parts += accelerated(detector(**WIDE)).modules()
    for kind in (WinogradConvolution, PackedConvolution, FusedBlock, PackedFeedForward, PackedLinear):
        assert any(isinstance(part, kind) for part in parts)
    assert not any(isinstance(part, FrozenBatchNorm) for part in parts)


def test_other_devices_and_precisions_get_the_portable_steps_and_a_reason():
    for plan in (plan_acceleration(torch.device("cuda"), torch.float32), plan_acceleration(CPU, torch.float64)):
        assert pack_convolutions not in plan.steps
        assert use_winograd not in plan.steps
        assert any("Winograd" in reason for reason in plan.left_out)
    double = detector(BOTTLENECK).double()
    pixels, mask = inputs()
    for mine, theirs in zip(accelerated(double)(pixels.double(), mask), double(pixels.double(), mask), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_fast_copy_is_not_trained_and_not_saved(tmp_path):
    fast = accelerated(detector())
    for act in (
        fast.train,
        fast.state_dict,
        lambda: pickle.dumps(fast),
        lambda: torch.save(fast, tmp_path / "fast.pt"),
    ):
        with pytest.raises(
            UsageError, match=r"accelerated copy cannot be (trained|saved) \(use the model that it was made from"
        ):
            act()
    assert not fast(*inputs()).logits.requires_grad


def test_writes_to_weights_change_their_version():
    model = detector()
    versions = [weights_version(model)]
    with torch.no_grad():
        model.head.classes.bias += 1
    versions.append(weights_version(model))
    model.load_state_dict(model.state_dict())
    versions.append(weights_version(model))
    next(model.buffers()).mul_(2)
    versions.append(weights_version(model))
    versions.append(weights_version(model.double()))
    assert len(set(versions)) == 5
    assert weights_version(model) == versions[-1]


@needs_onednn
@torch.no_grad()
def test_weights_are_packed_once_for_a_size_and_kept_once_for_a_layout(monkeypatch):
    plain = detector(BOTTLENECK)
    fast, sizes = pack_convolutions(plain), [(64, 96), (96, 64), (70, 101), (80, 80), (69, 102), (71, 100)]
    for size in sizes:
        assert_same_answers(fast, plain, *inputs(1, size, padded=False))
    kept = [conv._packed for conv in fast.modules() if isinstance(conv, PackedConvolution)]
    assert max(len(packed) for packed in kept) > 3, "sizes of maps"
    assert max(len({id(weight) for weight in packed.values()}) for packed in kept) <= 3
    monkeypatch.setattr(PackedConvolution, "_pack", lambda *_: pytest.fail("packed again"))
    for size in sizes:
        assert_same_answers(fast, plain, *inputs(1, size, padded=False))


@needs_onednn
@torch.no_grad()
def test_wide_linear_layers_are_packed():
    plain = detector(**WIDE)
    fast = pack_linears(plain)
    assert_same_answers(fast, plain, *inputs(3))
    assert_same_answers(copy.deepcopy(fast), plain, *inputs(1, (33, 40), padded=False))
    left = [part for part in fast.network.body.decoder.modules() if isinstance(part, torch.nn.Linear)]
    assert left
    assert all(part.weight.numel() < MIN_WEIGHTS for part in left)


@needs_onednn
@torch.no_grad()
def test_few_layouts_are_kept_where_they_cannot_be_compared(monkeypatch):
    plain = detector(BOTTLENECK)
    fast = pack_convolutions(plain)
    monkeypatch.setattr("condetr.speed.onednn._have_same_layout", lambda *_: False)
    for number in range(9):
        assert_same_answers(fast, plain, *inputs(1, (60 + 8 * number, 96), padded=False))
    assert {len(conv._packed) for conv in fast.modules() if isinstance(conv, PackedConvolution)} <= {1, 2, 3, 4}
