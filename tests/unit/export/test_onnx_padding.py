"""Pads and the slices behind them."""

import pytest
import torch
from torch.nn.functional import pad

from condetr.export.onnx_padding import merge_padding


class Cutting(torch.nn.Module):
    """Leaves the first row and column of even maps out, as long as nothing else uses what they are cut from."""

    def __init__(self, *, shares):
        super().__init__()
        self.shares = shares

    def forward(self, x):
        padded = x = pad(x, (1, 1, 2, 2), value=7.0)
        for axis in (2, 3):
            side = x.shape[axis]
            even = 1 - (side - side // 2 * 2)
            x = x.narrow(axis, even, (side + 1) // 2 * 2 - 1)
        return (2 * x, padded.sum()) if self.shares else (2 * x,)


@pytest.mark.slow
@pytest.mark.parametrize("shares", [False, True])
def test_what_they_compute_stays(tmp_path, shares):
    runtime = pytest.importorskip("onnxruntime")
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    network, x = Cutting(shares=shares).eval(), torch.randn(1, 2, 8, 9)
    exported = torch.onnx.export(network, (x,), dynamo=True, dynamic_shapes=(sizes,), verbose=False)
    merge_padding(exported.model)
    exported.save(tmp_path / "graph.onnx")
    assert sum(node.op_type == "Slice" for node in exported.model.graph) == 2 * shares
    session = runtime.InferenceSession(str(tmp_path / "graph.onnx"), providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    for height, width in ((8, 9), (7, 6), (5, 12), (11, 3)):
        x = torch.randn(1, 2, height, width)
        for theirs, ours in zip(session.run(None, {name: x.numpy()}), network(x), strict=True):
            torch.testing.assert_close(torch.from_numpy(theirs), ours)


def graph_with(ir, *, mode="constant", axes=None, again=False, end="end"):
    """A pad and slices whose start, and usually end, are inputs."""
    x, start, last = (
        ir.val(name, ir.DataType.FLOAT if name == "x" else ir.DataType.INT64) for name in ("x", "start", "end")
    )
    constants = {"amounts": [0, 0, 1, 1, 0, 0, 1, 1], "rows": [2], "columns": [3], "one": [1], "far": [99]}
    if axes is not None:
        constants |= {"amounts": [1, 1, 1, 1], "padded": axes}
    values = {}
    for name, numbers in constants.items():
        tensor = ir.tensor(numbers, dtype=ir.DataType.INT64, name=name)
        values[name] = ir.Value(name=name, const_value=tensor)
    given = [x, values["amounts"], None, *([] if axes is None else [values["padded"]])]
    nodes = [ir.node("Pad", given, {"mode": mode})]
    stop = values["far"] if end == "far" else last
    for axis in ("rows", "rows" if again else "columns"):
        nodes.append(ir.node("Slice", [nodes[-1].outputs[0], start, stop, values[axis], values["one"]]))
    nodes.append(ir.node("Relu", [nodes[-1].outputs[0]]))
    for number, node in enumerate(nodes):
        node.outputs[0].name = f"value_{number}"
    graph = ir.Graph([x, start, last], nodes[-1].outputs, nodes=nodes, opset_imports={"": 20})
    for value in values.values():
        graph.initializers[value.name] = value
    return ir.Model(graph, ir_version=10)


@pytest.mark.parametrize(
    ("options", "slices"),
    [
        ({}, 0),
        ({"mode": "reflect"}, 2),
        ({"axes": [2, 3]}, 2),
        ({"again": True}, 1),
        ({"end": "far"}, 2),
    ],
)
def test_what_one_pad_cannot_do_stays(options, slices):
    model = graph_with(pytest.importorskip("onnxscript").ir, **options)
    merge_padding(model)
    assert sum(node.op_type == "Slice" for node in model.graph) == slices
