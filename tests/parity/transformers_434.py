"""Run by an interpreter that has transformers 4.34, which cannot live beside the newest.

python transformers_434.py load FOLDER BATCH.pt    writes what the model in FOLDER answers, beside BATCH.pt
python transformers_434.py save FOLDER BATCH.pt    the same, for a new model that it stores in FOLDER first
"""

import json
import sys
from pathlib import Path

import torch
from transformers import ConditionalDetrConfig, ConditionalDetrForObjectDetection, ResNetConfig

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.scramble import scramble

task, folder, batch = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if task == "save":
    fields = json.loads((folder / "fields.json").read_text())
    fields["use_pretrained_backbone"] = False  # no network here
    if "backbone_config" in fields:
        fields["backbone_config"] = ResNetConfig(**fields["backbone_config"])
    model = scramble(ConditionalDetrForObjectDetection(ConditionalDetrConfig(**fields)))
    model.save_pretrained(folder, max_shard_size="200KB", safe_serialization=False)
else:
    model, said = ConditionalDetrForObjectDetection.from_pretrained(folder, output_loading_info=True)
    if said["missing_keys"] or said["mismatched_keys"]:
        raise SystemExit(f"transformers 4.34 misses {said}")
pixels, mask = torch.load(batch)
with torch.inference_mode():
    output = model.eval()(pixel_values=pixels, pixel_mask=mask.long())
torch.save([output.logits, output.pred_boxes], batch.with_name("answer.pt"))
