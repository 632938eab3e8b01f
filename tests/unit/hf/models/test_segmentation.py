import logging

import pytest
import torch
from torch import nn

import condetr
from condetr.core.errors import AnnotationError, SettingsError, UsageError
from condetr.hf.auto import AutoModelForImageSegmentation
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.models.recorded_forward import ForwardArguments
from condetr.hf.models.segmentation import ConditionalDetrForSegmentation
from condetr.images.masks.in_boxes import limited_to_boxes
from tests.scramble import scramble
from tests.unit.hf.networks import RESNET, config, detector, labels, pixels

STAGES = {"backbone_config": RESNET | {"hidden_sizes": [8, 12, 16], "depths": [1, 1, 1]}, "encoder_attention_heads": 8}
FIELDS = ["logits", "pred_boxes", "pred_masks", "last_hidden_state", "encoder_last_hidden_state"]


def segmenter(**settings):
    return scramble(ConditionalDetrForSegmentation(config(**STAGES | settings))).eval()


def masked(*counts, size=(32, 48)):
    original = labels(*counts)
    for label in original:
        label["masks"] = (torch.rand(len(label["boxes"]), *size) > 0.5).to(torch.uint8)
    return original


def padding():
    mask = torch.ones(2, 32, 48, dtype=torch.long)
    mask[1, :, 30:] = 0
    return mask


@torch.no_grad()
def test_what_it_answers():
    model = segmenter()
    output = model(pixels(), padding())
    assert list(output) == FIELDS
    assert output.pred_masks.shape == (2, 6, 8, 12)
    assert isinstance(model(pixels(), return_dict=False), tuple)
    assert len(model(pixels(), return_dict=False)) == len(FIELDS)
    detected = model.conditional_detr(pixels(), padding())
    for name in detected:
        assert torch.equal(output[name], detected[name]), name


@torch.no_grad()
def test_masks_in_boxes(tmp_path):
    model = segmenter(masks_in_boxes=True)
    model.save_pretrained(tmp_path)
    again, whole = (
        ConditionalDetrForSegmentation.from_pretrained(tmp_path, **options).eval()
        for options in ({}, {"masks_in_boxes": False})
    )
    output, uncut = again(pixels(), padding()), whole(pixels(), padding())
    for image, real in enumerate(((1.0, 1.0), (1.0, 30 / 48))):
        expected = limited_to_boxes(uncut.pred_masks[image], uncut.pred_boxes[image], real)
        torch.testing.assert_close(output.pred_masks[image], expected)
    assert (output.pred_masks != uncut.pred_masks).float().mean() > 0.05
    assert "masks_in_boxes" not in whole.config.split().flat


def test_losses_in_boxes():
    original, terms = masked(3, 2), {}
    model = segmenter(dropout=0.0)
    for in_boxes in (False, True):
        model.config.masks_in_boxes = in_boxes
        assert model.network.masks_in_boxes is in_boxes
        terms[in_boxes] = model(pixels(), padding(), labels=original).loss_dict
    assert terms[True]["loss_bbox"] == terms[False]["loss_bbox"]
    assert terms[True]["loss_dice"] != terms[False]["loss_dice"]


@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("counts", [(3, 2), (0, 4), (0, 0)], ids=str)
def test_losses(counts, auxiliary):
    model = segmenter(auxiliary_loss=auxiliary, mask_loss_coefficient=3, dice_loss_coefficient=0.5)
    output = model(pixels(), padding(), labels=masked(*counts))
    shown = ["loss", "loss_dict", *FIELDS[:3], *(["auxiliary_outputs"] if auxiliary else []), *FIELDS[3:]]
    assert list(output) == shown
    terms = output.loss_dict
    assert {"loss_mask", "loss_dice"} == {name for name in terms if "mask" in name or "dice" in name}  # last layer only
    weights = {"loss_ce": 2, "loss_bbox": 5, "loss_giou": 2, "loss_mask": 3, "loss_dice": 0.5, "cardinality_error": 0}
    total = sum(weights[name.removesuffix("_0").removesuffix("_1")] * term for name, term in terms.items())
    torch.testing.assert_close(output.loss, total)
    torch.testing.assert_close(output.pred_masks, model(pixels(), padding()).pred_masks)
    output.loss.backward()
    assert all(parameter.grad is not None for parameter in model.mask_head.parameters())


def test_only_masks_of_matched_queries_are_held_for_gradients():
    """Else a batch of large images with 300 queries needs the memory of 300 objects."""
    model = segmenter()
    segmented = []
    model.mask_head.pyramid.register_forward_pre_hook(
        lambda _, inputs: segmented.append((len(inputs[0]), torch.is_grad_enabled()))
    )
    model(pixels(), padding(), labels=masked(3, 1))
    assert sum(count for count, held in segmented if held) == 4
    assert sum(count for count, _ in segmented) == 12
    segmented.clear()
    model(pixels(), padding()).pred_masks.sum().backward()  # without labels, a person's own loss may want them all
    assert sum(count for count, held in segmented if held) == 12


def test_gradients_are_those_of_all_masks_at_once():
    model = segmenter(dropout=0.0)
    original = masked(3, 1)
    model(pixels(), padding(), labels=original).loss.backward()
    found = {name: parameter.grad.clone() for name, parameter in model.mask_head.named_parameters()}
    model.zero_grad()
    from condetr.hf.models.losses import losses_of
    from condetr.losses.masks import MaskSupervision

    inner = model.conditional_detr
    arguments = ForwardArguments(pixels(), padding(), None, None, None, None)
    trace = inner.model.record_forward(arguments, None, None, features=True).trace
    every = torch.stack(model.mask_head(trace, list(trace.embeddings[-1])))
    predictions = inner.predictions(trace, supervised=True)
    supervision = MaskSupervision(lambda images, queries: every[images, queries], (32, 48))
    losses_of(predictions, original, inner.costs, inner.weights, supervision)[0].backward()
    for name, parameter in model.mask_head.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": None}, "image 1: 2 objects without masks"),
        ({"masks": torch.zeros(3, 32, 48)}, r"image 1: masks is \[3, 32, 48\], expected \[2, height, width\]"),
        ({"masks": torch.zeros(2, 32)}, r"image 1: masks is \[2, 32\]"),
        ({"masks": [1, 2]}, "image 1: masks is a list"),
        ({"masks": torch.zeros(2, 33, 48)}, "image 1: .*at most 32 x 48"),
    ],
)
def test_labels_that_are_no_masks(change, message):
    original = masked(1, 2)
    original[1] |= change
    with pytest.raises(AnnotationError, match=message):
        segmenter()(pixels(), labels=original)


@torch.no_grad()
def test_masks_of_the_images_own_size_or_of_the_inputs():
    model, whole = segmenter(), masked(2, 2)
    cut = [label | {"masks": label["masks"][:, :20, :30]} for label in whole]
    for label, smaller in zip(whole, cut, strict=True):
        label["masks"] = nn.functional.pad(smaller["masks"], (0, 18, 0, 12))
    one, other = (model(pixels(), padding(), labels=value).loss for value in (whole, cut))
    assert torch.equal(one, other)


@torch.no_grad()
def test_every_argument_is_honoured():
    model, image = segmenter().double(), pixels().double()  # in float32 rounding hides what the decoder changes
    whole = model(image, padding(), output_hidden_states=True, output_attentions=True)
    earlier = (whole.encoder_last_hidden_state, whole.encoder_hidden_states, whole.encoder_attentions)
    for value in (earlier, earlier[:1], earlier[0], {"last_hidden_state": earlier[0]}):
        again = model(image, padding(), encoder_outputs=value)
        assert torch.equal(again.pred_masks, whole.pred_masks)
    # What enters the encoder instead of the backbone's features also enters the masks instead of them.
    embeds = whole.encoder_hidden_states[0]
    assert torch.equal(model(image, padding(), inputs_embeds=embeds).pred_masks, whole.pred_masks)
    for changed in (
        {"inputs_embeds": embeds + 1},
        {"decoder_inputs_embeds": torch.ones(2, 6, 16, dtype=torch.float64)},
        {"decoder_attention_mask": torch.tensor([[1, 1, 1, 0, 0, 0]] * 2)},
        {"pixel_mask": torch.ones(2, 32, 48)},
    ):
        again = model(image, **({"pixel_mask": padding()} | changed))
        assert (again.pred_masks - whole.pred_masks).abs().max() > 1e-12, changed  # rounding: 1e-15


def test_names_of_version_4():
    names = segmenter().state_dict().keys()
    assert {
        "conditional_detr.model.query_position_embeddings.weight",
        "conditional_detr.class_labels_classifier.bias",
        "bbox_attention.q_linear.weight",
        "bbox_attention.k_linear.bias",
        "mask_head.lay1.weight",
        "mask_head.gn5.bias",
        "mask_head.adapter3.weight",
        "mask_head.out_lay.bias",
    } <= names
    assert not any("pyramid" in name or "network" in name or "mask_head.attention" in name for name in names)


def test_what_does_not_fit_is_named_in_their_words():
    model = segmenter()
    state = model.state_dict()
    del state["mask_head.lay3.weight"]
    with pytest.raises(RuntimeError, match=r'Missing key.*: "mask_head\.lay3\.weight"'):
        model.load_state_dict(state)


@torch.no_grad()
def test_stored_and_loaded(tmp_path):
    model = segmenter()
    model.save_pretrained(tmp_path)
    for load in (ConditionalDetrForSegmentation.from_pretrained, AutoModelForImageSegmentation.from_pretrained):
        again, info = load(tmp_path, output_loading_info=True)
        assert not any(info.values())
        assert torch.equal(again(pixels()).pred_masks, model(pixels()).pred_masks)
    inner = ConditionalDetrForObjectDetection.from_pretrained(tmp_path)
    assert torch.equal(inner(pixels()).pred_boxes, model(pixels()).pred_boxes)
    assert condetr.load(tmp_path, device="cpu").network.segment is not None
    state = {name: tensor + 1 for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path / "other", state_dict=state)
    other = ConditionalDetrForSegmentation.from_pretrained(tmp_path / "other")
    assert torch.equal(other.mask_head.pyramid.output.bias, model.mask_head.pyramid.output.bias + 1)


@torch.no_grad()
def test_from_a_detector(tmp_path, caplog):
    whole = detector(**STAGES)
    whole.save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        model, info = ConditionalDetrForSegmentation.from_pretrained(tmp_path, output_loading_info=True)
    assert "freshly initialized" in caplog.text
    assert "mask_head.lay1.weight" in info["missing_keys"]
    assert all(name.startswith(("mask_head.", "bbox_attention.")) for name in info["missing_keys"])
    assert not info["mismatched_keys"]
    assert torch.equal(model(pixels()).pred_boxes, whole(pixels()).pred_boxes)
    assert torch.equal(model(pixels()).logits, whole(pixels()).logits)


def test_for_other_classes(tmp_path):
    segmenter().save_pretrained(tmp_path)
    model, info = ConditionalDetrForSegmentation.from_pretrained(
        tmp_path, num_labels=7, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert {key for key, *_ in info["mismatched_keys"]} == {
        "conditional_detr.class_labels_classifier.weight",
        "conditional_detr.class_labels_classifier.bias",
    }
    assert model(pixels()).logits.shape == (2, 6, 7)


def test_it_is_a_pretrained_model_like_the_others():
    model = segmenter()
    assert model.base_model is model.conditional_detr.model
    assert model.bbox_attention is model.mask_head.attention
    assert model.num_parameters() == sum(p.numel() for p in model.parameters())
    model.freeze_backbone()
    assert not any(p.requires_grad for p in model.base_model.backbone.parameters())
    assert model.get_encoder() is model.base_model.encoder
    assert all(p is q for p, q in zip(model.network.mask_head.parameters(), model.mask_head.parameters(), strict=True))
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    model.train()(pixels(), labels=masked(1, 1)).loss.backward()


@torch.no_grad()
def test_its_class_head_may_be_exchanged():
    model = segmenter()
    model.conditional_detr.class_labels_classifier = nn.Linear(16, 9)
    assert model(pixels()).logits.shape == (2, 6, 9)
    with pytest.raises(UsageError, match="class_labels_classifier"):
        _ = model.network


def test_networks_that_cannot_be_segmented():
    with pytest.raises(SettingsError, match=r"d_model: is 16, and 2 encoder attention heads make 18"):
        segmenter(encoder_attention_heads=2)
    with pytest.raises(SettingsError, match="backbone: has 2 stages"):
        segmenter(backbone_config=RESNET)
    with pytest.raises(UsageError, match="segmenter"):
        ConditionalDetrForSegmentation(config(**STAGES), detector(**STAGES).network)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@torch.no_grad()
def test_other_precisions(dtype):
    output = segmenter().to(dtype)(pixels().to(dtype), padding())
    assert output.pred_masks.dtype == dtype
    assert output.pred_masks.isfinite().all()
