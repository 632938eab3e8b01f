"""How far the accelerated network is from what this processor could do: time and work of each kind of operation.

python -m benchmarks.roofline [--rounds 5] [--threads 1] [--json FILE]

"peak" is the highest rate of large fp32 matrix products, by torch and by oneDNN with packed weights; "floor" the time
that the arithmetic of an operation takes at that rate. The last lines give the ratio over transformers as measured, and
at the floor: if nothing took time but the arithmetic, all of it at the peak.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.against_peer import arguments, write
from benchmarks.fast_forward import GOALS, write_weights
from benchmarks.interleave import in_turns
from condetr.checkpoints.loading import load
from condetr.speed.accelerate import accelerate
from condetr.speed.winograd.transforms import KERNEL, OUT, TILE

SIDES = 1024, 2048, 3072
PRODUCTS = TILE**2
DIRECTLY = (OUT * KERNEL) ** 2 / PRODUCTS  # multiplications of a convolution for one of Winograd's method


class Operations(TorchDispatchMode):
    """Seconds and floating-point operations of what is computed meanwhile, by kind."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self.flops: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = self.clock()
        result = func(*args, **(kwargs or {}))
        seconds = self.clock() - start
        kind, flops = work_of(func.__name__.partition(".")[0], args, result)
        self.seconds[kind] += seconds
        self.flops[kind] += flops
        return result


def work_of(name: str, args: Any, result: Any) -> tuple[str, float]:
    """The kind of an operation of the accelerated network, and twice the number of its multiplications."""
    if name.startswith("_convolution_pointwise"):
        weight, stride = (args[2], args[5]) if name.endswith("_") else (args[1], args[4])
        kernel = tuple(weight.shape[2:])
        kind = f"convolutions {kernel[0]}x{kernel[1]}" + ("" if tuple(stride) == (1, 1) else ", stride 2")
        return kind, 2 * result.numel() * weight.shape[1] * kernel[0] * kernel[1]
    if name in ("linear", "_linear_pointwise"):
        return "linear layers", 2 * args[0].numel() * result.shape[-1]
    if name == "bmm":
        return "Winograd: products", 2 * args[0].numel() * result.shape[-1]
    if name == "matmul":
        return "Winograd: transforms", 2 * args[0].numel() * result.shape[-1]
    if name == "scaled_dot_product_attention":
        query, key, value = args[:3]
        return "attention", 2 * query[..., 0].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    return "all other operations", 0


def peak(clock: Callable[[], float]) -> float:
    """Operations a second of the fastest of several large products."""

    def seconds(product: Callable[[], object]) -> float:
        start = clock()
        product()
        return clock() - start

    def rate(side: int) -> float:
        left, right = torch.randn(side, side), torch.randn(side, side)
        packed = torch.ops.mkldnn._reorder_linear_weight(right, side)
        products = (
            lambda: torch.mm(left, right),
            lambda: torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], ""),
        )
        return 2 * side**3 / min(seconds(product) for product in products for _ in range(5))

    return max(map(rate, SIDES))


def profiled(run: Callable[[], object], rounds: int, clock: Callable[[], float]) -> dict[str, tuple[float, float]]:
    """Median seconds and the operations of each kind."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        with Operations(clock) as operations:
            run()
        for kind, each in operations.seconds.items():
            seconds[kind].append(each)
    return {kind: (statistics.median(each), operations.flops[kind]) for kind, each in seconds.items()}


def main() -> None:
    options = arguments(__doc__)
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        theirs = write_weights(folder)
        ours = accelerate(load(folder).detector.eval(), torch.device("cpu"))
    rows: list[dict[str, str | float]] = []
    for size in GOALS:
        pixels, mask = torch.randn(1, 3, *size), torch.ones(1, *size, dtype=torch.long)
        with torch.inference_mode():
            runs = [lambda p=pixels: ours(p), lambda p=pixels, m=mask: theirs(p, m)]
            for run in runs:
                run()
            rate = peak(clock)
            seconds = in_turns(runs, options.rounds, clock)
            kinds = profiled(runs[0], options.rounds, clock)
        mine, their = (statistics.median(each) for each in zip(*seconds, strict=True))
        print(f"{size[0]}x{size[1]}: {1000 * mine:.0f} ms, transformers {1000 * their:.0f} ms")
        print(f"  peak {rate / 1e9:.0f} GFLOP/s")
        for kind, (taken, flops) in sorted(kinds.items(), key=lambda item: -item[1][0]):
            floor = flops / rate
            row = {"case": f"{size[0]}x{size[1]}: {kind}", "ms": 1000 * taken, "gflop": flops / 1e9}
            rows.append(row | {"floor_ms": 1000 * floor, "of_peak": floor / taken})
            print(
                f"  {kind:28} {1000 * taken:7.1f} ms {flops / 1e9:7.2f} GFLOP, floor {1000 * floor:7.1f} ms,"
                f" {100 * floor / taken:3.0f} % of peak"
            )
        done = sum(flops for _, flops in kinds.values())
        directly = done - kinds["Winograd: transforms"][1] + (DIRECTLY - 1) * kinds["Winograd: products"][1]
        limits = {
            "at the floor, with Winograd's method": their * rate / done,
            "at the floor, all convolutions directly": their * rate / directly,
        }
        for name, limit in ({"measured": their / mine} | limits).items():
            rows.append({"case": f"{size[0]}x{size[1]}: ratio, {name}", "ratio": limit})
            print(f"  ratio {name}: {limit:.2f}")
    write(rows, options.json)


if __name__ == "__main__":
    main()
