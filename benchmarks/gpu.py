"""condetr on a GPU against transformers: precisions, batches, torch.compile, CUDA graphs, training throughput.

python -m benchmarks.gpu [--rounds 20] [--no-compile] [--json FILE]
python -m benchmarks.gpu --device cpu --quick      # only that this program runs: tiny networks, tiny images

Every contender answers the same 800x1333 images in turns; times are of finished work. The ratio is over transformers
as it comes, in the same precision; the deviation is of the scores, from transformers in fp32. The goal is 3 times, for
one image in bf16. torch's defaults hold on both sides: convolutions in fp32 may use TF32, matrix products may not.
"""

import argparse
import copy
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from benchmarks import fast_forward, training_step
from benchmarks.against_peer import report, write
from benchmarks.captured import Captured
from benchmarks.interleave import Comparison, in_turns, machine
from condetr.checkpoints.loading import load
from condetr.core.errors import SettingsError
from condetr.speed import compute_type as precisions
from condetr.speed.accelerate import AccelerationOptions, accelerate
from condetr.training.optimization import mixed_precision as training_precision

GOAL, GOAL_FOR = 3.0, ("bf16", 1, "condetr")
TYPES = precisions.TYPES
TINY = {
    "use_timm_backbone": False,
    "backbone_config": {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    | {"out_features": ["stage1", "stage2"]},
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "num_queries": 20,
}

Run = Callable[[], Any]


class Bench:
    """Attributes: where, and on what; ``settings`` are of the networks, none for the paper's."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = torch.device(options.device)
        self.rounds, self.compiles = options.rounds, options.compile
        self.settings: dict[str, Any] = TINY if options.quick else {}
        self.size = (64, 96) if options.quick else (800, 1333)
        self.batches, self.taught = ((1, 2), 2) if options.quick else ((1, 16), 8)
        self.rows: list[dict[str, str | float]] = []

    def finished(self, run: Run) -> Run:
        """The run, until the device has done all of it."""

        def runs() -> Any:
            answer = run()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return answer

        return runs

    def forward(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            peer = fast_forward.write_weights(folder, **self.settings).to(self.device)
            plain = load(folder).detector.to(self.device).eval()
        for name in TYPES:
            reason = precisions.why_slower(name, self.device)
            if reason is not None:
                print(f"{name} left out: {reason}")
                continue
            for batch in self.batches:
                torch.manual_seed(batch)
                pixels = torch.randn(batch, 3, *self.size, device=self.device)
                runs = self.contenders(peer, plain, name, pixels)
                with torch.inference_mode():
                    expected = _logits(peer(pixels, torch.ones_like(pixels[:, 0], dtype=torch.long)))
                    self.compare((name, batch), runs, expected)

    def contenders(self, peer: nn.Module, plain: nn.Module, name: str, pixels: Tensor) -> dict[str, Run]:
        theirs, mask = copy.deepcopy(peer).to(TYPES[name]), torch.ones_like(pixels[:, 0], dtype=torch.long)
        given, ours = pixels.to(TYPES[name]), accelerate(plain, self.device, AccelerationOptions(name))
        runs: dict[str, Run] = {"transformers": lambda: theirs(given, mask), "condetr": lambda: ours(pixels)}
        if self.device.type == "cuda":
            captured = Captured(ours)
            runs["condetr, CUDA graph"] = lambda: captured(pixels)
        if self.compiles:
            torch.compiler.reset()  # torch gives up on code that it has compiled too often
            their_compiled, our_compiled = (
                torch.compile(theirs),
                accelerate(plain, self.device, AccelerationOptions(name, compile=True)),
            )
            runs["transformers, compiled"] = lambda: their_compiled(given, mask)
            runs["condetr, compiled"] = lambda: our_compiled(pixels)
            if self.device.type == "cuda":
                both = Captured(our_compiled)
                runs["condetr, compiled, CUDA graph"] = lambda: both(pixels)
        return runs

    def compare(self, kind: tuple[str, int], runs: dict[str, Run], expected: Tensor) -> None:
        case = f"{kind[0]}, batch {kind[1]}"
        apart = {}
        for name, run in runs.items():
            try:
                apart[name] = _apart(_logits(run()), expected)
            except UserWarning as failed:  # what is not compiled must not be called so
                print(f"{name}, {case} left out: {failed}")
        runs = {name: run for name, run in runs.items() if name in apart}
        seconds = in_turns([self.finished(run) for run in runs.values()], self.rounds)
        theirs = [one[0] for one in seconds]
        print(f"transformers itself, {case}: deviation {apart['transformers']:.1e}")
        for number, name in enumerate(runs):
            if number > 0:
                timed = Comparison(tuple(one[number] for one in seconds), tuple(theirs))
                goal = GOAL if (*kind, name) == GOAL_FOR else 1.0
                self.rows.append(report(f"{name}, {case}", timed, deviation=apart[name], goal=goal))

    def training(self) -> None:
        for name in ("fp32", "bf16"):
            try:
                training_precision.precision_of(name, self.device)
            except SettingsError as error:
                print(f"training in {name} left out: {error.reason}")
                continue
            place = training_step.Place(self.device.type, name, self.taught, self.size)
            with tempfile.TemporaryDirectory() as folder:
                training_step.write_weights(folder, **self.settings)
                ours, theirs = training_step.Ours(folder, place), training_step.Theirs(folder, place)
            apart = training_step.deviation(ours, theirs)
            seconds = in_turns([self.finished(ours.step), self.finished(theirs.step)], self.rounds)
            timed = Comparison(*zip(*seconds, strict=True))
            row = report(f"training, {name}, batch {self.taught}", timed, deviation=apart, goal=1.2)
            rates = {
                f"{side}_pictures_per_second": 1000 * self.taught / row[f"{side}_ms"] for side in ("ours", "theirs")
            }
            print(", ".join(f"{key} {value:.1f}" for key, value in rates.items()))
            self.rows.append(row | rates)


def _logits(answer: Any) -> Tensor:
    return answer.logits.float().clone()  # a captured answer is written over


def _apart(logits: Tensor, expected: Tensor) -> float:
    return (logits.sigmoid() - expected.sigmoid()).abs().max().item()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny networks and images: the numbers mean nothing")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args(words)
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --device cpu --quick checks that this program runs")
    if options.device == "cpu" and not options.quick:
        parser.error("on a processor only --quick; python -m benchmarks measures processors")
    on = torch.cuda.get_device_name(options.device) if options.device != "cpu" else "no GPU: a check, not a measurement"
    print(f"{on}; transformers {transformers.__version__}; {machine()}")
    warnings.filterwarnings("error", message="torch.compile failed")
    start, bench = time.perf_counter(), Bench(options)
    bench.forward()
    bench.training()
    print(f"done in {time.perf_counter() - start:.0f} s")
    write([row | {"device": on} for row in bench.rows], options.json)


if __name__ == "__main__":
    main()
