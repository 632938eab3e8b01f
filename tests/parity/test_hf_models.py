"""The transformers-shaped models beside transformers itself: same arguments, same scrambled weights, same outputs."""

import pytest
import torch

from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from tests.scramble import scramble

transformers = pytest.importorskip("transformers")

RESNET = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 12, 16, 24],
    "depths": [1, 1, 2, 1],
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
TINY = {
    "use_timm_backbone": False,
    "backbone_config": RESNET,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 8,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 40,
    "num_queries": 9,
    "num_labels": 5,
}
CLOSE = {"atol": 1e-4, "rtol": 1e-4}  # fp32 through some hundred layers, whose order of adding depends on the processor


def pair(**settings):
    """The peer's detector and ours, with the same weights."""
    settings = TINY | settings
    theirs = scramble(transformers.ConditionalDetrForObjectDetection(transformers.ConditionalDetrConfig(**settings)))
    theirs.set_attn_implementation("eager")
    ours = ConditionalDetrForObjectDetection(ConditionalDetrConfig(**settings))
    ours.load_state_dict(theirs.state_dict())
    return theirs.eval(), ours.eval()


def images(*sizes):
    """Images padded together, and the mask of their real pixels."""
    height, width = (max(sides) for sides in zip(*sizes, strict=True))
    pixels, mask = torch.zeros(len(sizes), 3, height, width), torch.zeros(len(sizes), height, width, dtype=torch.long)
    for image, (h, w) in enumerate(sizes):
        pixels[image, :, :h, :w] = torch.randn(3, h, w)
        mask[image, :h, :w] = 1
    return pixels, mask


def labels_of(*counts, classes=5):
    return [{"class_labels": torch.randint(classes, (n,)), "boxes": torch.rand(n, 4) * 0.4 + 0.1} for n in counts]


def agree(ours, theirs):
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        assert_alike(ours[name], expected, name)


def assert_alike(found, expected, name):
    if not torch.is_tensor(expected):
        torch.testing.assert_close(found, expected, **CLOSE, msg=lambda said: f"{name}: {said}")
        return
    close = CLOSE | {"atol": CLOSE["atol"] * max(1.0, float(expected.detach().abs().max()))}
    torch.testing.assert_close(found, expected, **close, msg=lambda said: f"{name}: {said}")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"d_model": 36, "encoder_attention_heads": 9, "decoder_attention_heads": 6},
        {"position_embedding_type": "learned"},
        {"activation_function": "gelu", "num_queries": 1, "decoder_layers": 1},
        {"backbone_config": RESNET | {"layer_type": "basic", "num_channels": 4}, "num_channels": 4},
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
    agree(ours.model(pixels, mask, **asked), theirs.model(pixels, mask, **asked))


@pytest.mark.parametrize("size", [(1, 1), (32, 33), (1, 700), (97, 2)], ids=str)
@torch.no_grad()
def test_odd_sizes(size):
    theirs, ours = pair()
    pixels, _ = images(size)
    agree(ours(pixels), theirs(pixels))


@pytest.mark.parametrize("dtype", [torch.bool, torch.long, torch.float32], ids=str)
@torch.no_grad()
def test_masks_of_every_dtype(dtype):
    theirs, ours = pair()
    pixels, mask = images((64, 64), (40, 50))
    agree(ours(pixels, mask.to(dtype)), theirs(pixels, mask))


@torch.no_grad()
def test_as_a_tuple():
    theirs, ours = pair()
    pixels, mask = images((64, 64))
    for ask in ({"return_dict": False}, {"return_dict": False, "output_hidden_states": True}):
        found, expected = ours(pixels, mask, **ask), theirs(pixels, mask, **ask)
        assert isinstance(found, tuple)
        torch.testing.assert_close(found, expected, **CLOSE)


@torch.no_grad()
def test_memory_of_an_earlier_look():
    theirs, ours = pair()
    pixels, mask = images((64, 64), (40, 50))
    asked = {"output_attentions": True, "output_hidden_states": True}
    for earlier in (ours(pixels, mask, **asked), theirs(pixels, mask, **asked)):
        memory = transformers.modeling_outputs.BaseModelOutput(
            earlier.encoder_last_hidden_state, earlier.encoder_hidden_states, earlier.encoder_attentions
        )
        agree(
            ours(pixels, mask, encoder_outputs=memory, **asked), theirs(pixels, mask, encoder_outputs=memory, **asked)
        )


@pytest.mark.parametrize("counts", [(3,), (2, 0, 4), (0, 0)], ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_losses_and_gradients(counts, training):
    # 5.23 ignores cls_loss_coefficient: at 1 that does not show.
    settings = {"cls_loss_coefficient": 1, "bbox_loss_coefficient": 3, "giou_cost": 4, "focal_alpha": 0.4}
    theirs, ours = pair(dropout=0.0, **settings)
    theirs.train(training), ours.train(training)
    pixels, mask = images((64, 70), (60, 64), (40, 50))
    pixels, mask, labels = pixels[: len(counts)], mask[: len(counts)], labels_of(*counts)
    agree(ours(pixels, mask, labels=labels), theirs(pixels, mask, labels=labels))
    # Gradients are compared in float64: in float32 they carry the rounding of every layer, and its order depends on
    # the processor. What is left comes from position tables that the peer makes in float32.
    pixels, labels = pixels.double(), [label | {"boxes": label["boxes"].double()} for label in labels]
    for model in (ours, theirs):
        model.double()(pixels, mask, labels=labels).loss.backward()
    expected = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    ours.load_state_dict(ours.state_dict())  # names are read both ways; the gradients stay
    written = ours.state_dict(keep_vars=True)
    largest = max(gradient.norm() for gradient in expected.values())
    compared = 0
    for (name, tensor), their_name in zip(written.items(), transformed(theirs, written), strict=True):
        if their_name in expected:
            compared += 1
            torch.testing.assert_close(
                tensor.grad,
                expected[their_name],
                rtol=1e-5,
                atol=float(largest) * 1e-6,
                msg=lambda said, n=name: f"{n}: {said}",
            )
    assert compared == len(expected)


def transformed(theirs, written):
    """The peer's names of the tensors in our state dict, found by their values, which scrambling made unique."""
    names = {tensor.detach().double().sum().item(): name for name, tensor in theirs.state_dict().items()}
    return [names[tensor.detach().double().sum().item()] for tensor in written.values()]


def test_auxiliary_losses_are_those_of_shorter_decoders():
    """The peer's own flag cannot be compared: it also changes what the next layer is given."""
    _, ours = pair(cls_loss_coefficient=1)
    ours.config.auxiliary_loss = True
    pixels, mask = images((64, 70), (60, 64))
    labels = labels_of(2, 3)
    output = ours(pixels, mask, labels=labels)
    assert len(output.auxiliary_outputs) == 2
    total = 0.0
    for layers, suffix in ((1, "_0"), (2, "_1"), (3, "")):
        theirs, _ = pair(cls_loss_coefficient=1)
        theirs.model.decoder.layers = theirs.model.decoder.layers[:layers]
        shorter = theirs(pixels, mask, labels=labels)
        for name, loss in shorter.loss_dict.items():
            torch.testing.assert_close(output.loss_dict[name + suffix], loss, **CLOSE)
        shown = [*output.auxiliary_outputs, output][layers - 1]
        torch.testing.assert_close(shown["logits"], shorter.logits, **CLOSE)
        torch.testing.assert_close(shown["pred_boxes"], shorter.pred_boxes, **CLOSE)
        total += shorter.loss
    torch.testing.assert_close(output.loss, total, **CLOSE)


def test_the_peers_checkpoints_with_auxiliary_loss(tmp_path):
    """There the flag alters predictions: what was trained so must predict so, until a person sets the flag."""
    theirs, _ = pair(auxiliary_loss=True)
    theirs.save_pretrained(tmp_path)
    ours = ConditionalDetrForObjectDetection.from_pretrained(tmp_path)
    assert ours.config.carry_norm
    assert ours.config.auxiliary_loss
    pixels, mask = images((64, 70), (60, 64))
    agree(ours(pixels, mask), theirs(pixels, mask))
    made = ConditionalDetrForObjectDetection(ConditionalDetrConfig(**TINY, auxiliary_loss=True))
    assert not made.config.carry_norm


@pytest.mark.parametrize("original", [True, False], ids=["hub names", "module names"])
@torch.no_grad()
def test_what_the_peer_saves_we_load(tmp_path, original):
    theirs, _ = pair()
    theirs.save_pretrained(tmp_path, save_original_format=original)
    pixels, mask = images((64, 70), (60, 64))
    agree(ConditionalDetrForObjectDetection.from_pretrained(tmp_path)(pixels, mask), theirs(pixels, mask))
    agree(ConditionalDetrModel.from_pretrained(tmp_path)(pixels, mask), theirs.model(pixels, mask))


@torch.no_grad()
def test_what_we_save_the_peer_loads(tmp_path):
    _, ours = pair(id2label=dict(enumerate("abcde")), num_labels=5, auxiliary_loss=False)
    ours.save_pretrained(tmp_path)
    theirs = transformers.AutoModelForObjectDetection.from_pretrained(tmp_path)
    assert theirs.config.id2label == ours.config.id2label
    pixels, mask = images((64, 70), (60, 64))
    agree(ours(pixels, mask), theirs(pixels, mask))


@torch.no_grad()
def test_a_base_model_of_the_peer():
    theirs, ours = pair()
    base = ConditionalDetrModel(ours.config).eval()
    base.load_state_dict(theirs.model.state_dict())
    pixels, mask = images((64, 70))
    agree(base(pixels, mask), theirs.model(pixels, mask))


@torch.no_grad()
def test_named_backbones():
    for settings in ({"backbone": "resnet18"}, {"backbone": "resnet18", "dilation": True}):
        theirs, ours = pair(use_timm_backbone=True, backbone_config=None, **settings)
        pixels, mask = images((64, 90), (60, 64))
        agree(ours(pixels, mask), theirs(pixels, mask))


def test_the_same_names_and_defaults():
    theirs, ours = transformers.ConditionalDetrConfig(), ConditionalDetrConfig()
    for name, value in theirs.to_dict().items():
        if name not in ("backbone_config", "transformers_version", "chunk_size_feed_forward", "_name_or_path"):
            assert ours.to_dict()[name] == value, name
    assert ours.num_labels == theirs.num_labels
    for alias in ("hidden_size", "num_attention_heads", "num_hidden_layers"):
        assert getattr(ours, alias) == getattr(theirs, alias)
