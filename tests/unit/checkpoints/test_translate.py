import pytest
import torch

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.empty_network import shapes_of
from condetr.checkpoints.keys import foreign_keys
from condetr.checkpoints.translate import Accept, Translation, to_condetr, to_hub
from condetr.core.errors import CheckpointError
from tests.unit.checkpoints.conftest import TINY


def read(stored, detector, **options) -> Translation:
    return to_condetr(StoredState.of(stored, "file"), shapes_of(detector), TINY.backbone, **options)


@pytest.fixture
def hub(detector) -> dict[str, torch.Tensor]:
    return to_hub(detector.state_dict(), TINY.backbone, "resnet")


def assert_whole(translation: Translation, detector) -> None:
    state = detector.state_dict()
    assert translation.tensors.keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in translation.tensors.items())


@pytest.mark.parametrize("key_format", ["hub", "transformers", "original", "condetr"])
def test_every_key_format_is_recognized(detector, key_format):
    state = detector.state_dict()
    stored: dict[str, list[torch.Tensor]] = {}
    for name, foreign in foreign_keys(state, TINY.backbone, key_format, "timm").items():
        stored.setdefault(foreign.key, []).append(state[name])  # query, key, value come in this order
    translation = read({key: torch.cat(parts) for key, parts in stored.items()}, detector)
    assert translation.key_format == key_format
    assert_whole(translation, detector)


def test_a_state_dict_of_ours_is_read_with_today_s_names(detector):
    translation = read(detector.state_dict(), detector)
    assert translation.key_format == "condetr"
    assert_whole(translation, detector)


def test_parts_of_a_fused_matrix_can_be_stored_apart(detector):
    state = detector.state_dict()
    stored = {}
    for name, foreign in foreign_keys(state, TINY.backbone, "original", "timm").items():
        stored[foreign.key] = torch.cat([stored[foreign.key], state[name]]) if foreign.key in stored else state[name]
    tensors = read(stored, detector).tensors
    storages = {tensor.untyped_storage().data_ptr() for tensor in tensors.values()}
    assert len(storages) == len(tensors)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_removed(detector, hub, prefix):
    translation = read({prefix + key: tensor for key, tensor in hub.items()}, detector)
    assert_whole(translation, detector)
    assert any("module" in note or "_orig_mod" in note for note in translation.notes)


def test_batch_counts_are_ignored_and_counted(detector, hub):
    counts = {key.replace("running_var", "num_batches_tracked"): torch.tensor(3) for key in hub if "running_var" in key}
    translation = read(hub | counts, detector)
    assert_whole(translation, detector)
    assert f"ignored {len(counts)}" in translation.notes[0]


def headless(hub):
    return {key.removeprefix("model."): tensor for key, tensor in hub.items() if key.startswith("model.")}


def test_a_model_without_head_is_refused_unless_accepted(detector, hub):
    with pytest.raises(CheckpointError, match=r"no head.*bbox_predictor"):
        read(headless(hub), detector)
    translation = read(headless(hub), detector, accept=Accept.NO_HEAD)
    assert set(translation.fresh) == {name for name in detector.state_dict() if name.startswith("head.")}
    assert "freshly initialized" in translation.notes[-1]


def test_half_a_head_is_never_completed(detector, hub):
    del hub["class_labels_classifier.weight"]
    with pytest.raises(CheckpointError, match=r"missing class_labels_classifier\.weight"):
        read(hub, detector, accept=Accept.NO_HEAD)


def segmenter(hub):
    masks = {"bbox_attention.q_linear.weight": torch.ones(2), "mask_head.lay1.bias": torch.ones(2)}
    return {f"conditional_detr.{key}": tensor for key, tensor in hub.items()} | masks


def test_a_segmenter_gives_its_detector_on_request(detector, hub):
    with pytest.raises(CheckpointError, match="segmenter"):
        read(segmenter(hub), detector)
    translation = read(segmenter(hub), detector, accept=Accept.EXTRA_MASK_HEAD)
    assert_whole(translation, detector)
    assert "left out the mask head: 2 tensors" in translation.notes


def test_mismatched_tensors_are_initialized_only_on_request(detector, hub):
    hub["class_labels_classifier.bias"] = torch.zeros(91)
    with pytest.raises(CheckpointError, match=r"class_labels_classifier.bias is \[91\], expected \[3\]"):
        read(hub, detector)
    assert read(hub, detector, ignore_mismatched_sizes=True).fresh == ("head.classes.bias",)


def test_unexpected_tensors_are_listed_by_their_keys_in_the_file(detector, hub):
    hub |= {f"model.extra.{number}": torch.ones(1) for number in range(12)}
    del hub["model.encoder.layers.0.fc1.weight"]
    with pytest.raises(CheckpointError, match=r"missing model\.encoder\.layers\.0\.fc1.*extra\.7 and 2 more"):
        read(hub, detector)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.full((3, 16), float("nan")), "not finite"),
        (torch.full((3, 16), float("inf")), "not finite"),
        (torch.ones(3, 16, dtype=torch.int8), "dtype int8"),
        (torch.ones(3, 16, dtype=torch.complex64), "dtype complex64"),
        (torch.ones(3, 16).to_sparse(), "layout sparse_coo"),
        (torch.ones(3, 16, device="meta"), "device meta"),
        (torch.ones(1).expand(3, 16), "more than the values that are stored"),
    ],
)
def test_tensors_that_are_not_plain_numbers_are_refused(detector, hub, bad, message):
    hub["class_labels_classifier.weight"] = bad
    with pytest.raises(
        CheckpointError, match=f"class_labels_classifier.weight.*{message}|{message}.*class_labels_classifier"
    ):
        read(hub, detector)


def test_large_finite_values_are_finite(detector, hub):
    hub["class_labels_classifier.weight"] = torch.full((3, 16), 3e38)  # their sum is not
    assert read(hub, detector).fresh == ()


def test_two_tensors_for_one_key_must_agree(detector, hub):
    twice = hub | {"input_projection.bias": hub["model.input_projection.bias"].clone()}
    assert_whole(read(twice, detector), detector)
    for other in (torch.zeros(16), torch.zeros(16).to_sparse(), torch.zeros(16, device="meta")):
        with pytest.raises(CheckpointError, match=r"model\.input_projection\.bias: two tensors"):
            read(twice | {"input_projection.bias": other}, detector)
