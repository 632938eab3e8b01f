"""Backbones of timm: accelerated over as they are, for inference, and for the forward and backward pass of training.

python -m benchmarks.timm_backbones [NAME ...] [--size 240x320] [--batch 4] [--rounds 9] [--json FILE]

One thread, CPU time, in turns. Weights are random, so that gradients are of ordinary size.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tests.scramble import scramble
from torch import nn

from benchmarks.interleave import interleave, machine
from condetr.core.processor import vector_units
from condetr.model.config import DetectorConfig, TimmDescription
from condetr.model.detector import ConditionalDetr
from condetr.speed.accelerate import accelerate
from condetr.speed.training.lean_backbone import make_lean

NAMES = ("tf_efficientnet_lite0", "mobilenetv3_large_100", "regnety_002", "resnet18")


def detector(name: str) -> ConditionalDetr:
    config = DetectorConfig(backbone=TimmDescription(name=name), d_model=64, encoder_layers=1, decoder_layers=1)
    return scramble(ConditionalDetr(config))


def learning(backbone: nn.Module, pixels: torch.Tensor) -> Callable[[], object]:
    def step() -> None:
        backbone.zero_grad()
        backbone(pixels)[-1].square().mean().backward()

    return step


def predicting(backbone: nn.Module, pixels: torch.Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def forward() -> object:
        return backbone(pixels)

    return forward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--size", default="240x320")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(", ".join(f"{key} {value}" for key, value in machine().items()), *vector_units())
    height, width = map(int, options.size.split("x"))
    pixels = torch.randn(options.batch, 3, height, width).contiguous(memory_format=torch.channels_last)
    rows = []
    for name in options.names:
        plain = detector(name)
        fast = accelerate(plain.eval(), pixels.device).network.body.backbone
        as_it_is, lean = plain.body.backbone, copy.deepcopy(plain.body.backbone)
        make_lean(lean)
        for what, run in (("inference", predicting), ("training", learning)):
            ours = run(fast if what == "inference" else lean, pixels)
            result = interleave(ours, run(as_it_is, pixels), options.rounds, time.process_time).summary()
            rows.append({"case": f"{name}, {what}", **result})
            print("{case:36} ratio {ratio:4.2f} ({low:.2f} to {high:.2f}), ours {ours_ms:6.1f} ms".format(**rows[-1]))
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
