"""The transformers-shaped segmenter beside transformers 5 itself: same arguments, same scrambled weights, same masks.

Its boxes lack the reference points and its mask head uses ``activation_function``: pinned here, not followed.
"""

import pytest
import torch
from torch import nn

from condetr.checkpoints.loading import load
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.models.segmentation import ConditionalDetrForSegmentation
from condetr.model.segmenter import ConditionalDetrSegmenter
from tests.parity.test_hf_models import CLOSE, RESNET, TINY, images
from tests.scramble import scramble

transformers = pytest.importorskip("transformers")

SMALL = TINY | {"encoder_attention_heads": 8}
NAMED = {"use_timm_backbone": True, "backbone_config": None}
THEIR_FAULTS = ("pred_boxes", "loss", "loss_dict")


def peer(**settings):
    config = transformers.ConditionalDetrConfig(**SMALL | settings)
    theirs = scramble(transformers.ConditionalDetrForSegmentation(config))
    theirs.set_attn_implementation("eager")
    for name, tensor in theirs.named_buffers():
        if name.endswith("weight"):  # of frozen norms: else the sums of a deep backbone grow past the digits of fp32
            tensor.mul_(0.5)
    return theirs.eval()


def pair(**settings):
    """The peer's segmenter and ours, with the same weights."""
    theirs = peer(**settings)
    ours = ConditionalDetrForSegmentation(ConditionalDetrConfig(**SMALL | settings, transformers_norms=True))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


def agree(ours, theirs):
    assert list(ours) == list(theirs)
    assert theirs.pred_masks.numel() < 99 or theirs.pred_masks.std() > 0.01, "the comparison would prove nothing"
    for name in theirs.keys() - set(THEIR_FAULTS):
        torch.testing.assert_close(ours[name], theirs[name], **CLOSE, msg=lambda said, name=name: f"{name}: {said}")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"d_model": 16},
        {"d_model": 64, "decoder_attention_heads": 4, "position_embedding_type": "learned"},
        {"d_model": 128, "encoder_attention_heads": 16, "num_queries": 1},
        {"backbone_config": RESNET | {"layer_type": "basic", "num_channels": 4}, "num_channels": 4},
        NAMED | {"backbone": "resnet18"},
        NAMED | {"backbone": "resnet18", "dilation": True},
        NAMED | {"backbone": "resnet34"},
        NAMED | {"backbone": "resnet50", "d_model": 256, "num_queries": 5},
        NAMED | {"backbone": "resnet26d"},
        NAMED | {"backbone": "mobilenetv3_small_050"},
    ],
    ids=str,
)
@torch.no_grad()
def test_every_output(settings):
    theirs, ours = pair(**settings)
    pixels, mask = images((70, 90), (64, 33), (50, 96))
    pixels = pixels[:, [0, 1, 2, 0][: settings.get("num_channels", 3)]]
    asked = {"output_attentions": True, "output_hidden_states": True}
    agree(ours(pixels, mask, **asked), theirs(pixels, mask, **asked))
    detected = ours.conditional_detr(pixels, mask)
    torch.testing.assert_close(ours(pixels, mask).pred_boxes, detected.pred_boxes, rtol=0, atol=0)


@pytest.mark.parametrize("size", [(1, 1), (32, 33), (1, 700), (97, 2)], ids=str)
@torch.no_grad()
def test_odd_sizes(size):
    theirs, ours = pair()
    pixels, _ = images(size)
    agree(ours(pixels), theirs(pixels))


def test_gradients_of_masks():
    theirs, ours = pair(dropout=0.0)
    pixels, mask = images((64, 70), (60, 64), (40, 50))
    for model in (theirs, ours):
        masks = model.train()(pixels, mask).pred_masks
        (masks * torch.linspace(-1, 1, masks.numel()).view_as(masks)).sum().backward()
    expected = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    written = dict(ours.state_dict(keep_vars=True))
    places = {tensor.detach().double().sum().item(): tensor for tensor in written.values()}
    largest = max(gradient.norm() for gradient in expected.values())
    for name, gradient in expected.items():
        found = places[theirs.get_parameter(name).detach().double().sum().item()].grad
        torch.testing.assert_close(
            found, gradient, rtol=1e-2, atol=float(largest) * 1e-5, msg=lambda said, n=name: f"{n}: {said}"
        )


@torch.no_grad()
def test_the_peers_boxes_lack_the_reference_points():
    theirs, ours = pair()
    pixels, mask = images((64, 70), (60, 64))
    head, offsets = ours.conditional_detr.bbox_predictor, ours(pixels, mask)
    unanchored = head(offsets.last_hidden_state).sigmoid()
    torch.testing.assert_close(theirs(pixels, mask).pred_boxes, unanchored, **CLOSE)
    assert (offsets.pred_boxes - unanchored)[..., :2].abs().max() > 0.05


@torch.no_grad()
def test_the_peers_mask_head_uses_the_activation_of_the_transformer():
    theirs, ours = pair(activation_function="gelu")
    pixels, mask = images((64, 70), (60, 64))
    assert (ours(pixels, mask).pred_masks - theirs(pixels, mask).pred_masks).abs().max() > 0.01
    for module in theirs.mask_head.modules():
        if hasattr(module, "activation"):
            module.activation = nn.ReLU()  # as in version 4 and the authors' code
    agree(ours(pixels, mask), theirs(pixels, mask))


@torch.no_grad()
def test_an_earlier_look_as_a_tuple_which_the_peer_cannot_take():
    theirs, ours = pair()
    pixels, mask = images((64, 64), (40, 50))
    asked = {"output_attentions": True, "output_hidden_states": True}
    whole = ours(pixels, mask, **asked)
    earlier = (whole.encoder_last_hidden_state, whole.encoder_hidden_states, whole.encoder_attentions)
    with pytest.raises(AttributeError, match="last_hidden_state"):
        theirs(pixels, mask, encoder_outputs=earlier)
    memory = transformers.modeling_outputs.BaseModelOutput(*earlier)
    for given in (earlier, memory, earlier[:1]):
        again = ours(pixels, mask, encoder_outputs=given)
        torch.testing.assert_close(again.pred_masks, whole.pred_masks, rtol=0, atol=0)
        torch.testing.assert_close(again.pred_boxes, whole.pred_boxes, rtol=0, atol=0)
    agree(ours(pixels, mask, encoder_outputs=memory), theirs(pixels, mask, encoder_outputs=memory))


@pytest.mark.parametrize("original", [True, False], ids=["hub names", "module names"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"backbone_config": RESNET | {"out_features": ["stage1", "stage2", "stage3"]}},
        NAMED | {"backbone": "resnet18", "position_embedding_type": "learned"},
    ],
    ids=["resnet", "three stages", "timm"],
)
@torch.no_grad()
def test_what_one_saves_the_other_loads(tmp_path, original, settings):
    theirs = peer(**settings)
    theirs.save_pretrained(tmp_path / "theirs", save_original_format=original)
    ours, said = ConditionalDetrForSegmentation.from_pretrained(tmp_path / "theirs", output_loading_info=True)
    assert not any(said.values())
    pixels, mask = images((64, 70), (60, 64))
    agree(ours(pixels, mask), theirs(pixels, mask))

    checkpoint = load(tmp_path / "theirs")
    assert isinstance(checkpoint.detector, ConditionalDetrSegmenter)
    trace = checkpoint.detector.trace(pixels, mask.bool())
    masks = torch.stack(checkpoint.detector.segment(trace, [torch.arange(9)] * 2))
    torch.testing.assert_close(masks, theirs(pixels, mask).pred_masks, **CLOSE)

    ours.save_pretrained(tmp_path / "ours")
    returned, said = transformers.ConditionalDetrForSegmentation.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not said["missing_keys"]
    agree(ours(pixels, mask), returned.eval()(pixels, mask))


@torch.no_grad()
def test_the_detector_of_the_peers_segmenter(tmp_path):
    theirs, ours = pair()
    theirs.save_pretrained(tmp_path)
    detector = ConditionalDetrForObjectDetection.from_pretrained(tmp_path)
    pixels, mask = images((64, 70), (60, 64))
    torch.testing.assert_close(detector(pixels, mask).pred_boxes, ours(pixels, mask).pred_boxes, rtol=0, atol=0)
