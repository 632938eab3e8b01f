"""One optimization step at full size: forward, set loss of all layers, backward, clip, AdamW, against transformers.

python -m benchmarks.training_step [--rounds 15] [--threads 1] [--json FILE]

Both begin with the same weights, freeze the stem and first stage, and train without dropout, so that their gradients
can be compared. Theirs uses torch's fused AdamW, as its Trainer does. transformers 5 gives its classes a weight of 1;
ours is set to the same. Two numbers of memory, each of a process per side: what a step keeps for its gradients beside
the weights, and the peak above what the process holds after its imports. With one thread the times are CPU seconds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from tests.scramble import scramble
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from benchmarks.against_peer import arguments, measure, write
from condetr.checkpoints.loading import load
from condetr.core.records import Target
from condetr.data.batches import TrainingBatch
from condetr.losses.loss_weights import LossWeights
from condetr.training.processes import Processes
from condetr.training.settings import TrainingSettings
from condetr.training.steps import take_step
from condetr.training.train_state import build_train_state

GOAL, CLIP = 1.2, 0.1
BATCH, HEIGHT, WIDTH, OBJECTS = 2, 480, 640, 7
FROZEN = ("model.backbone.model.conv1.", "model.backbone.model.layer1.")
STEPS = 3  # until memory has reached its peak


@dataclass(frozen=True)
class Place:
    """Where both learn, and what from."""

    device: str = "cpu"
    precision: str = "fp32"
    batch: int = BATCH
    size: tuple[int, int] = (HEIGHT, WIDTH)

    def inputs(self) -> tuple[Tensor, tuple[Target, ...]]:
        torch.manual_seed(1)
        labels, boxes = torch.randint(91, (self.batch, OBJECTS)), 0.5 * torch.rand(self.batch, OBJECTS, 4) + 0.1
        targets = tuple(Target(*image) for image in zip(labels, boxes, strict=True))
        return torch.randn(self.batch, 3, *self.size), targets


def write_weights(folder: str, **settings: Any) -> None:
    said = {"num_labels": 91, "auxiliary_loss": True, "dropout": 0.0} | settings
    config = transformers.ConditionalDetrConfig(**said)
    peer = scramble(transformers.ConditionalDetrForObjectDetection(config))
    for name, scale in peer.named_buffers():
        if name.endswith("bn3.weight"):
            scale *= 0.2  # residual branches of trained networks are quiet; loud ones explode over 16 blocks
    peer.save_pretrained(folder)


HERE = Place()


class Ours:
    def __init__(self, folder: str, place: Place = HERE) -> None:
        pixels, targets = place.inputs()
        self.processes = Processes(place.device)
        self.batch = TrainingBatch(pixels, None, targets, ("",) * place.batch).to(self.processes.device)
        settings = TrainingSettings(weights=LossWeights(classes=1.0), precision=place.precision)
        self.state = build_train_state(load(folder).detector, settings, self.processes)
        self.network = self.state.supervised.detector

    def step(self) -> None:
        take_step(self.state, [self.batch], self.processes, CLIP)

    def gradients(self) -> dict[str, Tensor]:
        weights = self.network.named_parameters()
        return {name: weight.grad for name, weight in weights if weight.grad is not None}


class Theirs:
    def __init__(self, folder: str, place: Place = HERE) -> None:
        pixels, targets = place.inputs()
        self.pixels = pixels.to(place.device)
        self.mask = torch.ones_like(self.pixels[:, 0], dtype=torch.long)  # as their image processor gives it
        self.labels = [
            {"class_labels": one.labels.to(place.device), "boxes": one.boxes.to(place.device)} for one in targets
        ]
        self.autocast = torch.autocast(place.device, torch.bfloat16, enabled=place.precision == "bf16")
        peer = transformers.ConditionalDetrForObjectDetection.from_pretrained(folder)
        self.network = peer.to(place.device).train()
        for name, weight in self.network.named_parameters():
            if name.startswith(FROZEN):
                weight.requires_grad = False
        self.optimizer = torch.optim.AdamW(_groups(self.network), fused=True)

    def step(self) -> None:
        self.optimizer.zero_grad()
        with self.autocast:
            loss = self.network(self.pixels, self.mask, labels=self.labels).loss
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimizer.step()

    def gradients(self) -> dict[str, Tensor]:
        """By our names: stored where the weights should be, and read by condetr."""
        held = {}
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            for weight in self.network.parameters():
                held[weight] = weight.detach().clone()
                weight.copy_(torch.zeros_like(weight) if weight.grad is None else weight.grad)
            self.network.save_pretrained(folder)
            gradients = load(folder).detector.state_dict()
            for weight, value in held.items():
                weight.copy_(value)
        return gradients


def deviation(ours: Ours, theirs: Theirs) -> float:
    """Of the clipped gradients of one step: the length of their difference, as a share of their own."""
    ours.step()
    theirs.step()
    gradients = theirs.gradients()
    pairs = [(mine, gradients[name]) for name, mine in ours.gradients().items()]
    difference = sum((mine - their).square().sum() for mine, their in pairs)
    return (difference / sum(their.square().sum() for _, their in pairs)).sqrt().item()


def memory_of(side: str, folder: str) -> dict[str, float]:
    """Of a process that takes some steps of one side."""
    command = [sys.executable, "-m", "benchmarks.training_step", "--memory-of", side, folder]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def print_memory(side: str, folder: str) -> None:
    torch.set_num_threads(1)
    before = _memory("VmRSS")
    contender = {"ours": Ours, "theirs": Theirs}[side](folder)
    Path("/proc/self/clear_refs").write_text("5")  # loading may have had a peak of its own
    for _ in range(STEPS):
        contender.step()
    peak = (_memory("VmHWM") - before) / 1024
    print(json.dumps({f"{side}_peak_mb": round(peak), f"{side}_kept_mb": round(kept_megabytes(contender))}))


def kept_megabytes(contender: Ours | Theirs) -> float:
    weights = {weight.untyped_storage().data_ptr() for weight in contender.network.parameters()}
    kept = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        contender.step()
    return sum(size for place, size in kept.items() if place not in weights) / 2**20


def _memory(kind: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind))


def _groups(peer: nn.Module) -> list[dict[str, object]]:
    """The paper's two learning rates."""
    named = [(name, weight) for name, weight in peer.named_parameters() if weight.requires_grad]
    return [
        {
            "params": [weight for name, weight in named if ("backbone" in name) == backbone],
            "lr": lr,
            "weight_decay": 1e-4,
        }
        for backbone, lr in ((True, 1e-5), (False, 1e-4))
    ]


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        memory = memory_of("ours", folder) | memory_of("theirs", folder)
        print(memory)
        ours, theirs = Ours(folder), Theirs(folder)
    name = f"step, ResNet-50, {HEIGHT}x{WIDTH}, batch {BATCH}"
    apart = deviation(ours, theirs)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    timed = {"rounds": options.rounds, "deviation": apart, "goal": GOAL, "clock": clock}
    row = measure(name, ours.step, theirs.step, **timed)
    write([row | memory], options.json)


if __name__ == "__main__":
    hidden = argparse.ArgumentParser(add_help=False)
    hidden.add_argument("--memory-of", nargs=2)
    asked = hidden.parse_known_args()[0].memory_of
    if asked is None:
        main()
    else:
        print_memory(*asked)
