"""Code written for transformers.Trainer runs with condetr's models."""

import re
from pathlib import Path

import pytest
import torch

import condetr
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

TINY = {
    "backbone_config": {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "num_queries": 6,
    "id2label": {0: "cat", 1: "dog", 2: "bird"},
}
DOCUMENTED = Path(__file__).parents[2] / "docs/transformers_trainer.md"


def example(number):
    boxes = torch.tensor([[0.5, 0.5, 0.4, 0.3], [0.2, 0.3, 0.2, 0.2]])[: number % 3]
    labels = {"class_labels": torch.arange(len(boxes)), "boxes": boxes, "image_id": torch.tensor([number])}
    return {"pixel_values": torch.randn(3, 32, 40), "labels": labels, "note": "not for the model"}


def collate(examples):
    pixels = torch.stack([one["pixel_values"] for one in examples])
    return {
        "pixel_values": pixels,
        "pixel_mask": torch.ones_like(pixels[:, 0], dtype=torch.long),
        "labels": [one["labels"] for one in examples],
    }


def trainer(folder, kind=None, *, compute_metrics=None, **settings):
    usual = {
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "per_device_eval_batch_size": 2,
        "learning_rate": 1e-2,
        "weight_decay": 1e-2,
        "remove_unused_columns": False,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "save_steps": 1,
    }
    arguments = transformers.TrainingArguments(output_dir=str(folder), **(usual | settings))
    torch.manual_seed(3)
    data = [example(number) for number in range(4)]
    model = ConditionalDetrForObjectDetection(ConditionalDetrConfig(**TINY, auxiliary_loss=True))
    return (kind or transformers.Trainer)(
        model,
        arguments,
        train_dataset=data,
        eval_dataset=data,
        data_collator=collate,
        processing_class=ConditionalDetrImageProcessor(size={"shortest_edge": 32, "longest_edge": 40}),
        compute_metrics=compute_metrics,
    )


def documented_trainer():
    """The subclass that the documentation tells to write."""
    code, *_ = re.findall(r"```python\n(.*?)```", DOCUMENTED.read_text(encoding="utf-8"), re.DOTALL)
    names = {"transformers": transformers}
    exec(code, names)
    return names["Trainer"]


def test_train_evaluate_predict(tmp_path):
    run = trainer(tmp_path)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    run.train()
    assert all(torch.isfinite(torch.tensor(entry["loss"])) for entry in run.state.log_history if "loss" in entry)
    after = run.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"class_labels_classifier.weight", "model.encoder.layers.0.fc1.weight"} <= moved
    assert not {name for name in moved if ".embedder." in name or ".stages.0." in name}
    assert run.evaluate()["eval_loss"] > 0
    predictions = run.predict(run.eval_dataset).predictions
    assert isinstance(predictions[0], dict)  # the losses, as with transformers' own model
    assert predictions[1].shape == (4, 6, 3)
    assert predictions[2].shape == (4, 6, 4)


def test_weight_decay_reaches_weights_but_not_norms_and_biases(tmp_path):
    run = trainer(tmp_path)
    run.create_optimizer()
    decayed, plain = run.optimizer.param_groups
    names = {parameter: name for name, parameter in run.model.named_parameters()}
    assert decayed["weight_decay"] == 1e-2
    assert len(decayed["params"]) > 20
    assert all("norm" in names[p] or names[p].endswith("bias") for p in plain["params"])


def test_activation_checkpointing(tmp_path):
    run = trainer(tmp_path, activation_checkpointing=True)
    run.train()
    assert run.model.is_activation_checkpointing
    assert run.state.global_step == 2


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.train()
    resumed = trainer(tmp_path / "resumed")
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole/checkpoint-1"))
    assert resumed.state.global_step == 2
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name


def test_gradient_accumulation(tmp_path):
    """Every batch counts the same, as with transformers' own model, whose loss takes no count of objects either."""
    run = trainer(tmp_path, max_steps=1, gradient_accumulation_steps=2, max_grad_norm=0, save_strategy="no")
    seen = []
    forward = run.model.forward
    run.model.forward = lambda *given, **named: seen.append(forward(*given, **named)) or seen[-1]
    run.train()
    assert len(seen) == 2
    told = next(entry["loss"] for entry in run.state.log_history if "loss" in entry)
    assert float(told) == pytest.approx(sum(one.loss.item() for one in seen) / 2, rel=1e-3)


def test_compute_metrics_sees_all_predictions_and_labels(tmp_path):
    seen = []

    def compute_metrics(results):
        seen.append(results)
        return {"pictures": sum(len(batch[1]) for batch in results.predictions)}

    run = trainer(tmp_path, compute_metrics=compute_metrics, eval_do_concat_batches=False)
    assert run.evaluate()["eval_pictures"] == 4
    assert [len(one["boxes"]) for batch in seen[0].label_ids for one in batch] == [0, 1, 2, 0]


def test_what_the_documented_trainer_saves_is_read_with_class_names(tmp_path):
    run = trainer(tmp_path, documented_trainer())
    run.train()
    run.save_model(tmp_path / "saved")
    wanted = run.model.state_dict()
    for folder in (tmp_path / "saved", tmp_path / "checkpoint-2"):
        for read in (ConditionalDetrForObjectDetection, transformers.ConditionalDetrForObjectDetection):
            loaded = read.from_pretrained(folder)
            assert loaded.config.id2label == TINY["id2label"]
            assert loaded.config.encoder_attention_heads == TINY["encoder_attention_heads"]
        ours = ConditionalDetrForObjectDetection.from_pretrained(folder)
        assert all(torch.equal(ours.state_dict()[name], tensor) for name, tensor in wanted.items())
        friendly = condetr.load(folder)
        assert friendly.predict(torch.zeros(3, 32, 40, dtype=torch.uint8), threshold=0.0).names
        assert set(friendly.names.values()) == {"cat", "dog", "bird"}


def test_the_plain_trainer_leaves_weights_only(tmp_path):
    """When it leaves a config.json, the documentation has one section too many."""
    run = trainer(tmp_path)
    run.save_model(tmp_path / "saved")
    assert not (tmp_path / "saved/config.json").exists()
    assert (tmp_path / "saved/preprocessor_config.json").exists()
    run.model.save_pretrained(tmp_path / "saved")
    loaded = condetr.load(tmp_path / "saved")
    assert set(loaded.names.values()) == {"cat", "dog", "bird"}
