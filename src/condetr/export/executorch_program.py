"""ExecuTorch programs, for phones and small boards: lowered to XNNPACK's kernels, and run by ExecuTorch's runtime."""

import threading
from pathlib import Path

import torch

from condetr.export.extras import needed, quiet, without_native_stderr
from condetr.export.opened import Arrays, Opened, named_outputs
from condetr.export.tracing import Traced

_PARTITIONER = "executorch.backends.xnnpack.partition.xnnpack_partitioner"


def write_executorch(traced: Traced, file: Path) -> None:
    """Operations that XNNPACK has are its own; the others are ExecuTorch's portable ones."""
    exir, xnnpack = needed("executorch.exir"), needed(_PARTITIONER)
    with quiet():
        edge = exir.to_edge_transform_and_lower(traced.program, partitioner=[xnnpack.XnnpackPartitioner()])
        file.write_bytes(edge.to_executorch().buffer)


def open_executorch(file: Path, threads: int, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Opened:
    """Inputs and outputs of such a file have no names, only an order."""
    runtime = needed("executorch.runtime")
    with without_native_stderr():
        needed("executorch.extension.pybindings.portable_lib")._unsafe_reset_threadpool(threads)
        method = runtime.Runtime.get().load_program(file).load_method("forward")
    names = named_outputs(method.metadata.num_outputs(), outputs)
    alone = threading.Lock()  # runs of one method share its memory

    def run(arrays: Arrays) -> Arrays:
        with alone:
            results = method.execute([torch.from_numpy(arrays[name]).contiguous() for name in inputs])
        return {name: result.numpy() for name, result in zip(names, results, strict=True)}

    return Opened(run, inputs if method.metadata.num_inputs() == len(inputs) else (), names)
