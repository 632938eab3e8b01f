"""What transformers stores we compute, and what we store it computes: scrambled weights, a padded batch."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers")

from condetr.checkpoints.config.backbone_writing import why_not_transformers  # noqa: E402
from condetr.checkpoints.config.config_json import SplitConfig  # noqa: E402
from condetr.checkpoints.loading import Checkpoint, load  # noqa: E402
from condetr.checkpoints.saving import save  # noqa: E402
from condetr.hf.config.configuration import ConditionalDetrConfig  # noqa: E402
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection  # noqa: E402
from condetr.model.config import DetectorConfig, ResNetDescription  # noqa: E402
from condetr.model.detector import ConditionalDetr  # noqa: E402
from tests.scramble import scramble  # noqa: E402

TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}  # fp32 through some hundred layers; the peers agree with each other to 1e-5
SMALL = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 3,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 40,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 8,
    "num_queries": 7,
    "num_labels": 5,
}
TINY_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 2, 1, 1]}


def resnet(**fields) -> dict:
    inner = transformers.ResNetConfig(**{**TINY_RESNET, "out_features": ["stage4"], **fields})
    return {"backbone_config": inner, "use_timm_backbone": False}


def timm(**fields) -> dict:
    return {"backbone_config": transformers.TimmBackboneConfig(**fields)}


BOTH_READ = {  # what transformers 4 can say too
    "resnet18": {"backbone": "resnet18"},
    "resnet34": {"backbone": "resnet34"},
    "resnet50": {"backbone": "resnet50"},
    "resnet50d": {"backbone": "resnet50d"},
    "resnet101": {"backbone": "resnet101"},
    "dilation": {"backbone": "resnet50", "dilation": True},
    "learned positions": {"backbone": "resnet18", "position_embedding_type": "learned"},
    "gray images": {"backbone": "resnet18", "num_channels": 1},
    "basic": resnet(layer_type="basic"),
    "bottleneck": resnet(layer_type="bottleneck"),
    "first stage strides": resnet(layer_type="bottleneck", downsample_in_first_stage=True, hidden_act="silu"),
    "one wide stage": resnet(layer_type="basic", hidden_sizes=[8, 8, 8, 16]),
    "third stage": resnet(layer_type="basic", out_features=["stage3"]),
    "gelu, supervised": {"backbone": "resnet18", "activation_function": "gelu", "auxiliary_loss": True},
    "activating norms": {"backbone": "mobilenetv3_small_050"},
}
FIVE_READS = {
    "stride in 1x1": resnet(layer_type="bottleneck", downsample_in_bottleneck=True),
    "output stride 8": timm(backbone="resnet18", out_indices=[1, 2, 3, 4], output_stride=8),
    "three stages": timm(backbone="resnet18", out_indices=[1, 2, 3]),
    "no batch norm": timm(backbone="convnext_atto", out_indices=[0, 1, 2, 3]),
    "norms kept": timm(backbone="test_byobnet", out_indices=[1, 2], freeze_batch_norm_2d=True),
    "other epsilon": timm(
        backbone="tf_mobilenetv3_small_minimal_100", out_indices=[1, 2, 3, 4], freeze_batch_norm_2d=True
    ),
}


def padded_batch(colors: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    pixels = torch.randn(2, colors, 96, 128, generator=generator)
    mask = torch.ones(2, 96, 128, dtype=torch.bool)
    mask[1, 64:], mask[1, :, 80:] = False, False
    return pixels * mask[:, None], mask


def peer(fields: dict) -> transformers.PreTrainedModel:
    model = transformers.ConditionalDetrForObjectDetection(transformers.ConditionalDetrConfig(**SMALL, **fields))
    return scramble(model.eval())


def assert_same(checkpoint: Checkpoint, model: transformers.PreTrainedModel) -> None:
    pixels, mask = padded_batch(checkpoint.config.backbone.in_channels)
    with torch.inference_mode():
        ours, theirs = checkpoint.detector(pixels, mask), model(pixel_values=pixels, pixel_mask=mask.long())
    assert theirs.logits.std() > 0.01, "the comparison would prove nothing"
    torch.testing.assert_close(ours.logits, theirs.logits, **TOLERANCE)
    torch.testing.assert_close(ours.boxes, theirs.pred_boxes, **TOLERANCE)


def store(checkpoint: Checkpoint, folder: Path) -> None:
    save(folder, checkpoint.detector, checkpoint.labels, flat=checkpoint.flat)


@pytest.mark.parametrize("name", [*BOTH_READ, *FIVE_READS])
def test_there_and_back(tmp_path, name):
    model = peer((BOTH_READ | FIVE_READS)[name])
    model.save_pretrained(tmp_path / "hub names")
    model.save_pretrained(tmp_path / "module names", save_original_format=False)
    assert_same(load(tmp_path / "hub names"), model)
    checkpoint = load(tmp_path / "module names")
    assert_same(checkpoint, model)

    store(checkpoint, tmp_path / "ours")
    returned, said = transformers.ConditionalDetrForObjectDetection.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not said["missing_keys"]
    assert_same(checkpoint, returned.eval())
    assert load(tmp_path / "ours").config == checkpoint.config


OURS_TO_THEIRS = {
    "basic": {"block": "basic", "widths": (8, 8, 16), "depths": (1, 2, 1)},
    "bottleneck": {"widths": (16, 24, 32), "depths": (2, 1, 1), "activation": "silu"},
    "stride in 1x1": {"widths": (16, 24), "depths": (1, 2), "stride_in": "1x1", "first_stage_stride": 2},
    "said twice": {"widths": (16, 24), "depths": (1, 1), "inner_widths": (4, 6), "output_stride": 8},
    "beyond": {"block": "basic", "widths": (8, 12), "depths": (1, 1), "output_stride": 32},
}


@pytest.mark.parametrize("name", OURS_TO_THEIRS)
def test_a_resnet_without_a_name(tmp_path, name):
    """In their words wherever they have some; float64, so that the order of sums does not tell the two apart."""
    backbone = ResNetDescription(stem_widths=(8,), in_channels=4, **OURS_TO_THEIRS[name])
    labels = {number: str(number) for number in range(SMALL["num_labels"])}
    detector = scramble(ConditionalDetr(DetectorConfig(backbone=backbone, **SMALL)).eval()).double()
    save(tmp_path, detector, labels, dtype=torch.float64)
    assert "transformers reads the same files" in (tmp_path / "README.md").read_text()
    theirs = transformers.AutoModelForObjectDetection.from_pretrained(tmp_path, dtype=torch.float64).eval()
    pixels, mask = padded_batch(4)
    with torch.inference_mode():
        answer = theirs(pixel_values=pixels.double(), pixel_mask=mask.long())
        expected = detector(pixels.double(), mask)
    torch.testing.assert_close(answer.logits, expected.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(answer.pred_boxes, expected.boxes, rtol=1e-5, atol=1e-5)
    theirs.save_pretrained(tmp_path / "back")
    assert load(tmp_path / "back").config == load(tmp_path).config == detector.config
    assert 96 // backbone.stride == detector.trace(pixels.double()).cells.shape[1]


@pytest.mark.parametrize("name", ["test_byobnet", "tf_mobilenetv3_small_minimal_100", "test_convnext"])
def test_a_new_network_of_timm(tmp_path, name, caplog):
    """Norms keep their activations and epsilons, here and there; the blocks that nothing uses are theirs alone."""
    stages = [0, 1] if name == "test_convnext" else [1, 2, 3]
    described = {"model_type": "timm_backbone", "backbone": name, "out_indices": stages}
    settings = ConditionalDetrConfig(**SMALL, backbone_config=described, use_pretrained_backbone=False)
    ours = scramble(ConditionalDetrForObjectDetection(settings)).eval()
    ours.save_pretrained(tmp_path)
    assert "cannot load" not in caplog.text
    theirs, said = transformers.AutoModelForObjectDetection.from_pretrained(tmp_path, output_loading_info=True)
    unused = ("4", "5") if name == "tf_mobilenetv3_small_minimal_100" else ()
    assert {key.split(".blocks.")[1].partition(".")[0] for key in said["missing_keys"]} == set(unused)
    assert not said["unexpected_keys"]
    assert_same(load(tmp_path), theirs.eval())
    again = ConditionalDetrForObjectDetection.from_pretrained(tmp_path)
    pixels, mask = padded_batch(3)
    with torch.inference_mode():
        expected, answer = ours(pixels, mask).logits, again(pixels, mask).logits
    torch.testing.assert_close(answer, expected)
    assert again.config.transformers_norms == (name == "test_convnext")
    theirs.save_pretrained(tmp_path / "back")
    assert load(tmp_path / "back").config == ours.network.config


UNTOLD = {
    "no output stride 8": {"block": "basic", "widths": (8, 12, 16), "depths": (1, 1, 1), "output_stride": 8},
    "no deep stem, no average shortcuts": {"stem_widths": (4, 4, 8), "shortcut": "average"},
    "no inner widths": {"widths": (16, 24), "depths": (1, 1), "inner_widths": (8, 8)},
}


@pytest.mark.parametrize("reason", UNTOLD)
def test_what_they_cannot_build_is_reported(tmp_path, reason, caplog):
    backbone = ResNetDescription(**{"stem_widths": (8,), **UNTOLD[reason]})
    assert why_not_transformers(backbone).endswith(f"have {reason}")
    config = DetectorConfig(backbone=backbone, **SMALL)
    labels = {number: str(number) for number in range(SMALL["num_labels"])}
    settings = ConditionalDetrConfig.from_split(SplitConfig(config, labels, None, {}))
    ConditionalDetrForObjectDetection(settings).save_pretrained(tmp_path)
    assert reason in caplog.text
    assert reason in (tmp_path / "README.md").read_text()
    assert load(tmp_path).config == config
    with pytest.raises((ValueError, KeyError), match="condetr_resnet"):
        transformers.AutoModelForObjectDetection.from_pretrained(tmp_path)


def test_shards_in_half_precision(tmp_path):
    model = peer(BOTH_READ["resnet18"])
    model.half().save_pretrained(tmp_path, max_shard_size="3MB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 3
    assert_same(load(tmp_path), model.float())


@pytest.mark.parametrize("original_format", [True, False])
def test_a_body_alone(tmp_path, original_format):
    model = peer(BOTH_READ["basic"])
    model.model.save_pretrained(tmp_path, save_original_format=original_format)
    detector = load(tmp_path, fresh_head=True).detector
    pixels, mask = padded_batch(3)
    with torch.inference_mode():
        theirs = model.model(pixel_values=pixels, pixel_mask=mask.long())
        ours = detector.trace(pixels, mask)
    torch.testing.assert_close(ours.embeddings[-1], theirs.last_hidden_state, **TOLERANCE)
    torch.testing.assert_close(ours.memory, theirs.encoder_last_hidden_state, **TOLERANCE)


def test_what_transformers_stores_after_us(tmp_path):
    model = peer(BOTH_READ["learned positions"])
    model.save_pretrained(tmp_path / "theirs")
    store(load(tmp_path / "theirs"), tmp_path / "ours")
    returned = transformers.ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "ours")
    returned.save_pretrained(tmp_path / "again")
    assert_same(load(tmp_path / "again"), model)


OLD = os.environ.get("CONDETR_PEER_434")


def ask_434(task: str, folder: Path, colors: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A padded batch, and what transformers 4.34 answers to it."""
    batch = padded_batch(colors)
    torch.save(batch, folder.parent / "batch.pt")
    script = Path(__file__).with_name("transformers_434.py")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [OLD, script, task, folder, folder.parent / "batch.pt"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return *batch, *torch.load(folder.parent / "answer.pt")


@pytest.mark.skipif(not OLD, reason="CONDETR_PEER_434 names no interpreter with transformers 4.34")
@pytest.mark.parametrize("name", BOTH_READ)
def test_there_and_back_434(tmp_path, name):
    fields = dict(BOTH_READ[name])
    if "backbone_config" in fields:
        fields["backbone_config"] = fields["backbone_config"].to_dict()
    stored, ours = tmp_path / "stored", tmp_path / "ours"
    stored.mkdir()
    (stored / "fields.json").write_text(json.dumps(SMALL | fields))
    colors = fields.get("num_channels", 3)
    pixels, mask, logits, boxes = ask_434("save", stored, colors)
    checkpoint = load(stored)
    with torch.inference_mode():
        prediction = checkpoint.detector(pixels, mask)
    torch.testing.assert_close(prediction.logits, logits, **TOLERANCE)
    torch.testing.assert_close(prediction.boxes, boxes, **TOLERANCE)

    store(checkpoint, ours)
    _, _, logits, boxes = ask_434("load", ours, colors)
    torch.testing.assert_close(prediction.logits, logits, **TOLERANCE)
    torch.testing.assert_close(prediction.boxes, boxes, **TOLERANCE)
