"""LoRA by peft, with the module names that docs/transformers_trainer.md says to target."""

import pytest
import torch

from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from tests.unit.hf.networks import detector, labels, pixels

peft = pytest.importorskip("peft", reason="peft is not installed")
NAMED = {"target_modules": ["query", "value", "content_query"], "modules_to_save": ["class_labels_classifier"]}


@pytest.mark.parametrize("chosen", [NAMED, {"target_modules": "all-linear", "use_dora": True}])
def test_trained_stored_loaded_and_merged(tmp_path, chosen):
    detector().save_pretrained(tmp_path / "base")

    def base():
        return ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "base")

    adapted = peft.get_peft_model(base(), peft.LoraConfig(r=2, init_lora_weights=False, **chosen))
    adapted(pixel_values=pixels(), labels=labels(1, 2)).loss.backward()
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter -= 0.1 * parameter.grad.clamp(-1, 1)
    adapted.eval()
    expected = adapted(pixel_values=pixels()).logits
    assert not torch.allclose(expected, base()(pixels()).logits, atol=1e-2)
    adapted.save_pretrained(tmp_path / "adapter")
    assert peft.PeftConfig.from_pretrained(tmp_path / "adapter").base_model_name_or_path == str(tmp_path / "base")

    loaded = peft.PeftModel.from_pretrained(base(), tmp_path / "adapter").eval()
    close = {"atol": 1e-4, "rtol": 1e-4}  # products of small matrices, in another order once merged
    assert torch.allclose(loaded(pixel_values=pixels()).logits, expected, **close)
    loaded.merge_and_unload().save_pretrained(tmp_path / "merged")
    merged = ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "merged")
    assert torch.allclose(merged(pixels()).logits, expected, **close)
