"""Code written for transformers.Trainer runs with condetr's models."""

import pytest
import torch

from condetr.hf.configuration import ConditionalDetrConfig
from condetr.hf.models import ConditionalDetrForObjectDetection

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
    "num_labels": 3,
}


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


def trainer(folder, **settings):
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=2,
        per_device_eval_batch_size=2,
        learning_rate=1e-2,
        weight_decay=1e-2,
        remove_unused_columns=False,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        logging_steps=1,
        save_steps=1,
        **settings,
    )
    torch.manual_seed(3)
    data = [example(number) for number in range(4)]
    model = ConditionalDetrForObjectDetection(ConditionalDetrConfig(**TINY, auxiliary_loss=True))
    return transformers.Trainer(model, arguments, train_dataset=data, eval_dataset=data, data_collator=collate)


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


def test_resume_and_activation_checkpointing(tmp_path):
    trainer(tmp_path).train()
    run = trainer(tmp_path, activation_checkpointing=True)
    run.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert run.model.is_activation_checkpointing
    assert run.state.global_step == 2


def test_a_finished_run_is_saved_and_loaded(tmp_path):
    run = trainer(tmp_path)
    run.train()
    run.model.save_pretrained(tmp_path / "model")
    loaded = ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "model")
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
