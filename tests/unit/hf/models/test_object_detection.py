"""What the models do with their arguments; that the numbers are right is compared with transformers in tests/parity."""

import copy
import pickle

import pytest
import torch
from torch import nn

from condetr.core.errors import AnnotationError, ModelError, UsageError
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.models.outputs import BaseModelOutput
from condetr.model.activation_checkpointing import is_enabled
from tests.unit.hf.networks import STRIDE, config, detector, labels, pixels

CELLS = (32 // STRIDE) * (48 // STRIDE)


def padded(batch=2):
    mask = torch.ones(batch, 32, 48, dtype=torch.long)
    mask[-1, 16:] = 0
    mask[-1, :, 24:] = 0
    return mask


def same(one, other):
    assert list(one) == list(other)
    for name in one:
        torch.testing.assert_close(one[name], other[name], msg=lambda message, name=name: f"{name}: {message}")


@torch.no_grad()
def test_shapes_of_every_field():
    output = detector(auxiliary_loss=True)(
        pixels(), labels=labels(1, 2), output_attentions=True, output_hidden_states=True
    )
    assert output.loss.shape == ()
    assert output.logits.shape == (2, 6, 3)
    assert output.pred_boxes.shape == (2, 6, 4)
    assert [early["logits"].shape for early in output.auxiliary_outputs] == [(2, 6, 3)] * 2
    assert output.last_hidden_state.shape == (2, 6, 16)
    assert [state.shape for state in output.decoder_hidden_states] == [(2, 6, 16)] * 4
    assert [weights.shape for weights in output.decoder_attentions] == [(2, 4, 6, 6)] * 3
    assert [weights.shape for weights in output.cross_attentions] == [(2, 4, 6, CELLS)] * 3
    assert output.encoder_last_hidden_state.shape == (2, CELLS, 16)
    assert [state.shape for state in output.encoder_hidden_states] == [(2, CELLS, 16)] * 3
    assert [weights.shape for weights in output.encoder_attentions] == [(2, 2, CELLS, CELLS)] * 2


@torch.no_grad()
def test_hidden_states_start_with_what_enters_and_end_with_what_leaves():
    model = detector().model
    output = model(pixels(), output_hidden_states=True)
    assert not output.decoder_hidden_states[0].any()
    assert output.decoder_hidden_states[-1] is output.last_hidden_state
    assert output.encoder_hidden_states[-1] is output.encoder_last_hidden_state
    features = model.input_projection(model.backbone(pixels())[-1]).flatten(2).transpose(1, 2)
    torch.testing.assert_close(output.encoder_hidden_states[0], features)


@torch.no_grad()
def test_the_config_says_what_is_not_asked():
    model = detector(output_attentions=True, output_hidden_states=True, return_dict=False)
    assert len(model(pixels())) == 9
    assert list(model(pixels(), output_attentions=False, output_hidden_states=False, return_dict=True)) == [
        "logits", "pred_boxes", "last_hidden_state", "encoder_last_hidden_state",
    ]  # fmt: skip


@torch.no_grad()
def test_reference_points_and_intermediate_states():
    output = detector(auxiliary_loss=True).model(pixels())
    assert output.reference_points.shape == (6, 2, 2)
    assert output.intermediate_hidden_states.shape == (3, 2, 6, 16)
    assert torch.equal(output.intermediate_hidden_states[-1], output.last_hidden_state)


@torch.no_grad()
def test_a_mask_without_padding_is_no_mask():
    model = detector()
    for mask in (torch.ones(2, 32, 48), torch.ones(2, 32, 48, dtype=torch.bool)):
        same(model(pixels(), mask), model(pixels()))
    assert (model(pixels(), padded()).logits[1] - model(pixels()).logits[1]).abs().max() > 1e-3


@pytest.mark.parametrize("settings", [{}, {"attention_dropout": 0.3}])
def test_attentions_are_part_of_the_graph(settings):
    model = detector(**settings, dropout=0.0).train()
    output = model(pixels(), padded(), labels=labels(1, 2), output_attentions=True)
    seen = (*output.encoder_attentions, *output.decoder_attentions, *output.cross_attentions)
    assert len(seen) == 8
    for weights in seen:
        weights.retain_grad()
    output.loss.backward()
    assert all(weights.grad.abs().sum() > 0 for weights in seen)


def test_asking_for_attentions_changes_no_prediction_and_no_gradient():
    model = detector()
    gradients = []
    for asked in (False, True):
        model.zero_grad()
        output = model(pixels(), padded(), labels=labels(1, 2), output_attentions=asked)
        output.loss.backward()
        gradients.append((output.logits, model.model.decoder.layers[1].cross_attention.value.weight.grad))
    assert torch.equal(gradients[0][0], gradients[1][0])
    torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=1e-3, atol=1e-5)  # sums in another order


@torch.no_grad()
def test_padding_is_not_looked_at():
    model = detector(backbone_config=config().backbone_config)
    looked = model.model(pixels(), padded(), output_attentions=True)
    real = padded()[:, ::STRIDE, ::STRIDE].flatten(1).bool()
    for weights in (*looked.encoder_attentions, *looked.cross_attentions):
        assert not weights[1][..., ~real[1]].any()
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@torch.no_grad()
def test_memory_of_an_earlier_look_is_used():
    model = detector()
    asked = {"output_hidden_states": True, "output_attentions": True}
    whole = model(pixels(), padded(), **asked)
    earlier = (whole.encoder_last_hidden_state, whole.encoder_hidden_states, whole.encoder_attentions)
    runs = []
    model.model.backbone.register_forward_hook(lambda *_: runs.append("backbone"))
    model.get_encoder().register_forward_hook(lambda *_: runs.append("encoder"))
    for memory in (
        earlier,
        BaseModelOutput(zip(("last_hidden_state", "hidden_states", "attentions"), earlier, strict=True)),
    ):
        same(model(pixels(), padded(), encoder_outputs=memory, **asked), whole)
    for memory in ((earlier[0],), earlier[0]):
        assert "encoder_hidden_states" not in model(pixels(), encoder_outputs=memory, **asked)
    moved = model(pixels(), padded(), encoder_outputs=(earlier[0] + 1,))
    assert (moved.logits - whole.logits).abs().max() > 1e-3
    assert runs == []


@torch.no_grad()
def test_features_can_be_given():
    model = detector()
    whole = model(pixels(), padded(), output_hidden_states=True)
    original = model(pixels(), padded(), inputs_embeds=whole.encoder_hidden_states[0], output_hidden_states=True)
    same(original, whole)
    other = model(pixels(), padded(), inputs_embeds=whole.encoder_hidden_states[0] + 1)
    assert (other.logits - whole.logits).abs().max() > 1e-3


@torch.no_grad()
def test_queries_can_start_from_something():
    model = detector()
    start = torch.randn(2, 6, 16)
    output = model(pixels(), decoder_inputs_embeds=start, output_hidden_states=True)
    assert torch.equal(output.decoder_hidden_states[0], start)
    assert (output.logits - model(pixels()).logits).abs().max() > 1e-3
    torch.testing.assert_close(
        model(pixels(), decoder_inputs_embeds=torch.zeros(2, 6, 16)).logits, model(pixels()).logits
    )


@pytest.mark.parametrize("dtype", [torch.long, torch.bool, torch.float32], ids=str)
@torch.no_grad()
def test_hidden_queries_are_not_seen_by_the_others(dtype):
    model = detector()
    seen = torch.ones(2, 6, dtype=dtype)
    seen[:, 4:] = 0
    before = model(pixels(), decoder_attention_mask=seen, output_attentions=True)
    assert not any(weights[..., 4:].any() for weights in before.decoder_attentions)
    model.model.query_position_embeddings.weight[4:] += 1
    after = model(pixels(), decoder_attention_mask=seen)
    torch.testing.assert_close(after.logits[:, :4], before.logits[:, :4])
    assert (model(pixels()).logits[:, :4] - before.logits[:, :4]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"pixel_values": torch.zeros(3, 32, 48)}, "pixel_values"),
        ({"pixel_values": torch.zeros(1, 3, 32, 48, dtype=torch.uint8)}, "pixel_values"),
        ({"pixel_values": torch.zeros(1, 4, 32, 48)}, "pixel_values"),
        ({"pixel_values": torch.zeros(1, 3, 0, 48)}, "pixel_values"),
        ({"pixel_mask": torch.ones(2, 32, 47)}, "pixel_mask"),
        ({"pixel_mask": torch.ones(1, 32, 48)}, "pixel_mask"),
        ({"pixel_mask": torch.stack([torch.ones(32, 48), torch.zeros(32, 48)])}, "pixel_mask, image 1"),
        ({"decoder_attention_mask": torch.ones(2, 5)}, "decoder_attention_mask"),
        ({"decoder_attention_mask": torch.zeros(2, 6)}, "decoder_attention_mask"),
        ({"encoder_outputs": (torch.zeros(2, 7, 16),)}, "encoder_outputs"),
        ({"inputs_embeds": torch.zeros(2, CELLS, 15)}, "inputs_embeds"),
        ({"decoder_inputs_embeds": torch.zeros(1, 6, 16)}, "decoder_inputs_embeds"),
    ],
    ids=lambda inputs: str(next(iter(inputs))) if isinstance(inputs, dict) else "",
)
def test_arguments_that_do_not_fit(wrong, named):
    with pytest.raises(UsageError) as refusal:
        detector().model(**{"pixel_values": pixels()} | wrong)
    assert refusal.value.item == named


def test_the_limit_of_learned_positions_is_reported_before_anything_runs():
    model = detector(position_embedding_type="learned")
    with pytest.raises(UsageError, match="learned positions have 50 x 50"):
        model(pixels(1, 8, 51 * STRIDE))
    assert model(pixels(1, 8, 50 * STRIDE)).logits.isfinite().all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "expected a list of 2"),
        ([{}], "is 1, expected a list of 2"),
        ([labels(1)[0], {"boxes": torch.zeros(0, 4)}], "labels, image 1: lacks the tensors class_labels"),
        ([labels(1)[0], None], "labels, image 1: is a NoneType"),
        (
            [labels(1)[0], labels(1)[0] | {"class_labels": torch.rand(1)}],
            "labels, image 1: class_labels is torch.float32",
        ),
        ([labels(1)[0], labels(1)[0] | {"boxes": torch.rand(2, 4)}], r"labels, image 1: boxes is \[2, 4\]"),
        ([labels(1)[0], labels(1)[0] | {"class_labels": torch.tensor([3])}], "image 1, object 0: label 3"),
        ([labels(1)[0], labels(1)[0] | {"boxes": torch.full((1, 4), 40.0)}], "image 1, object 0: box"),
    ],
)
def test_labels_that_cannot_be_used(wrong, message):
    with pytest.raises(AnnotationError, match=message):
        detector()(pixels(), labels=wrong)


def test_labels_of_no_object_may_have_any_empty_shape():
    output = detector()(pixels(), labels=[{"class_labels": torch.zeros(0).long(), "boxes": torch.zeros(0)}] * 2)
    assert output.loss_dict["loss_bbox"] == 0
    output.loss.backward()


def test_damaged_weights_are_named_where_there_are_labels():
    model = detector()
    with torch.no_grad():
        model.class_labels_classifier.bias[0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        model(pixels(), labels=labels(1, 1))


@torch.no_grad()
def test_supervision_never_alters_a_prediction():
    model = detector()
    plain = model(pixels(), labels=labels(1, 2))
    model.config.auxiliary_loss = True
    supervised = model(pixels(), labels=labels(1, 2))
    assert torch.equal(supervised.logits, plain.logits)
    names = ("loss_ce", "loss_bbox", "loss_giou", "cardinality_error")
    assert list(plain.loss_dict) == list(names)
    assert list(supervised.loss_dict) == [*names, *(f"{name}_{layer}" for layer in (0, 1) for name in names)]
    assert "auxiliary_outputs" not in model(pixels())


@torch.no_grad()
def test_coefficients_are_those_of_the_config():
    model = detector(cls_loss_coefficient=3, bbox_loss_coefficient=4, giou_loss_coefficient=5)
    losses = model(pixels(), labels=labels(1, 2)).loss_dict
    expected = 3 * losses["loss_ce"] + 4 * losses["loss_bbox"] + 5 * losses["loss_giou"]
    torch.testing.assert_close(model(pixels(), labels=labels(1, 2)).loss, expected)
    model.config.focal_alpha = 0.5
    assert model(pixels(), labels=labels(1, 2)).loss_dict["loss_ce"] != losses["loss_ce"]


def test_gradients_flow_through_what_is_watched():
    model = detector().model
    output = model(pixels(), output_attentions=True, output_hidden_states=True)
    output.cross_attentions[0].square().sum().backward(retain_graph=True)
    assert model.decoder.layers[0].cross_attention.content_key.weight.grad.abs().sum() > 0
    output.encoder_hidden_states[1].square().sum().backward()
    assert model.encoder.layers[0].feedforward.expand.weight.grad.abs().sum() > 0


def test_watching_leaves_nothing_behind():
    model = detector()
    model(pixels(), output_attentions=True, output_hidden_states=True)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_skipped_layers_leave_no_hidden_states():
    model = detector(decoder_layerdrop=0.9, encoder_layerdrop=0.9).train()
    torch.manual_seed(5)
    output = model(pixels(), output_hidden_states=True)
    assert len(output.decoder_hidden_states) < 4
    assert len(output.encoder_hidden_states) < 3
    assert len(model.eval()(pixels(), output_hidden_states=True).decoder_hidden_states) == 4


def gradients(model):
    model.zero_grad()
    torch.manual_seed(4)
    output = model(pixels(), padded(), labels=labels(1, 2), output_attentions=model.watched)
    output.loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("options", [None, {"use_reentrant": True}], ids=str)
def test_checkpointing_does_not_change_gradients(watched, options):
    model = detector(auxiliary_loss=True, dropout=0.2, attention_dropout=0.1).train()
    model.watched = watched
    expected = gradients(model)
    runs = []
    model.get_decoder().layers[0].feedforward.register_forward_hook(lambda *_: runs.append(1))
    model.gradient_checkpointing_enable(options)
    assert model.is_gradient_checkpointing
    found = gradients(model)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-5)
    assert len(runs) == (1 if watched else 2)  # what is watched must happen once
    model.gradient_checkpointing_disable()
    assert not model.is_gradient_checkpointing
    gradients(model)
    assert len(runs) == (2 if watched else 3)


def test_some_layers_can_be_checkpointed():
    model = detector()
    model.activation_checkpointing_enable(every_n_layers=2)
    layers = [*model.get_encoder().layers, *model.get_decoder().layers]
    assert [is_enabled(layer) for layer in layers] == [True, False, True, False, True]
    with pytest.raises(UsageError, match="offload"):
        model.activation_checkpointing_enable(offload=True)


def frozen(model):
    return {name for name, p in model.named_parameters() if not p.requires_grad}


def test_the_backbone_freezes_and_thaws_but_for_its_first_stage():
    model = detector()
    early = frozen(model)
    assert early
    assert all("backbone.stem" in name or "backbone.stages.0" in name for name in early)
    model.model.freeze_backbone()
    assert frozen(model) == {name for name, _ in model.named_parameters() if "backbone" in name}
    model.unfreeze_backbone()
    assert frozen(model) == early


def test_names_that_people_group_parameters_by():
    names = [name for name, _ in detector().named_parameters()]
    for word in ("backbone", "encoder", "decoder", "class_labels_classifier", "bbox_predictor", "input_projection"):
        assert any(word in name for name in names), word


def test_parts_are_reached_by_their_names():
    model = detector()
    base = model.model
    assert model.base_model is base
    assert base.base_model is base
    assert base.encoder is model.get_encoder() is base.network.encoder
    assert base.decoder is base.get_decoder()
    assert base.query_position_embeddings.weight is base.decoder.object_queries
    assert model.main_input_name == "pixel_values"
    assert (model.device, model.dtype) == (torch.device("cpu"), torch.float32)
    assert model.to(torch.bfloat16).dtype == torch.bfloat16
    with pytest.raises(AttributeError, match="neck"):
        _ = base.neck


def test_counting_parameters():
    model = detector()
    trainable = model.num_parameters(only_trainable=True)
    assert 0 < trainable < model.num_parameters() == sum(p.numel() for p in model.parameters())
    assert model.num_parameters() - model.num_parameters(exclude_embeddings=True) == 6 * 16


def test_a_part_can_be_exchanged():
    model = detector()
    model.model.input_projection = projection = nn.Conv2d(16, 16, 1)
    assert model.model.network.input_projection is projection
    model.class_labels_classifier = nn.Linear(16, 7)
    model.config.num_labels = 7
    output = model(pixels(), labels=labels(1, 2))
    assert output.logits.shape == (2, 6, 7)
    assert model.state_dict()["class_labels_classifier.weight"].shape == (7, 16)
    assert model.network(pixels()).logits.shape == (2, 6, 7)
    model.class_labels_classifier = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 7))
    assert "class_labels_classifier.1.weight" in model.state_dict()
    with pytest.raises(UsageError, match="class_labels_classifier"):
        _ = model.network


@torch.no_grad()
def test_the_network_inside_is_the_same():
    model = detector()
    prediction = model.network(pixels(), padded().bool())
    output = model(pixels(), padded())
    assert torch.equal(prediction.logits, output.logits)
    assert torch.equal(prediction.boxes, output.pred_boxes)


def test_a_fresh_model_is_initialised_as_the_authors_do():
    model = ConditionalDetrForObjectDetection(config())
    torch.testing.assert_close(model.class_labels_classifier.bias, torch.full((3,), -4.59512))
    assert not model.bbox_predictor.last.weight.any()
    assert model.training


@torch.no_grad()
def test_copies_and_pickles():
    model = detector()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        same(twin(pixels()), model(pixels()))
        assert list(twin.state_dict()) == list(model.state_dict())
        twin.class_labels_classifier.bias += 1
        assert not torch.equal(twin(pixels()).logits, model(pixels()).logits)


@torch.no_grad()
def test_half_precision():
    model = detector()
    half = copy.deepcopy(model).to(torch.bfloat16)
    output = half(pixels().bfloat16(), padded(), output_attentions=True)
    assert output.logits.dtype == torch.bfloat16
    torch.testing.assert_close(output.logits.float(), model(pixels(), padded()).logits, atol=0.2, rtol=0.1)


def test_a_base_model_alone():
    base = ConditionalDetrModel(config()).eval()
    assert not any("head" in name for name, _ in base.named_parameters())
    assert base(pixels()).last_hidden_state.shape == (2, 6, 16)
