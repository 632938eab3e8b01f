"""The main job on a fresh machine: pictures in, boxes out, and where to look at them.

No trained model comes with condetr yet, so this one is fresh: its boxes are the reference points that it starts
training from. What is shown is that everything runs, and what the results look like.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from condetr import ConditionalDetrConfig, ConditionalDetrForObjectDetection, ConditionalDetrImageProcessor
from condetr.data.scenes import scene

OUTPUT = Path("demo-output")
PICTURES = 8


def main() -> None:
    shutil.rmtree(OUTPUT, ignore_errors=True)
    pictures = OUTPUT / "pictures"
    pictures.mkdir(parents=True)
    for index in range(PICTURES):
        scene(index, split="val").picture.resize((384, 384)).save(pictures / f"scene-{index}.png")
    print(f"1. {PICTURES} pictures of handwritten digits: {pictures}")

    with tempfile.TemporaryDirectory() as model:
        save_fresh_model(Path(model))
        print("2. a small Conditional DETR, untrained")
        command = ["predict", str(pictures), "--model", model, "--threshold", "0.0101", "--top-k", "12"]
        command += ["--save", "images,json,coco", "--output", str(OUTPUT / "results")]
        print("3. condetr " + " ".join(command).replace(model, "MODEL"))
        subprocess.run([sys.executable, "-m", "condetr", *command], check=True)

    print("\nLook at the boxes that an untrained network draws around its reference points:")
    for picture in sorted((OUTPUT / "results").rglob("*.jpg")) + sorted((OUTPUT / "results").rglob("*.png")):
        print(f"  {picture}")


def save_fresh_model(folder: Path) -> None:
    torch.manual_seed(0)
    backbone = {
        "model_type": "resnet",
        "layer_type": "basic",
        "embedding_size": 16,
        "hidden_sizes": [16, 32, 64, 96],
        "depths": [1, 1, 1, 1],
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    config = ConditionalDetrConfig(
        use_timm_backbone=False,
        backbone_config=backbone,
        d_model=64,
        encoder_layers=1,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=12,
        id2label={number: str(number) for number in range(10)},
    )
    ConditionalDetrForObjectDetection(config).save_pretrained(folder)
    ConditionalDetrImageProcessor(size={"shortest_edge": 384, "longest_edge": 384}).save_pretrained(folder)


if __name__ == "__main__":
    main()
