"""A pad whose first rows and columns are cut off again, as one node: what `HalvingConvolution` becomes in ONNX.

Each node copies its map, and the largest of EfficientNet-Lite0 is eight times as large as the image's pixels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from condetr.export.extras import needed


def merge_padding(model: Any) -> None:
    """Change a model of onnx-ir: a pad and the slices behind it become a pad whose amounts depend on the size.

    Slices whose bounds are computed in the graph, and are positions on the padded map, as those of ``narrow`` are.
    """
    merged = False
    for node in list(model.graph):
        if node.op_type != "Pad" or not _pads_all_axes_with_a_number(node):
            continue
        amounts = _constant(node.inputs[1])
        if amounts is not None and (slices := _slices_of(node.outputs[0])):
            _merge(model.graph, node, amounts, slices)
            merged = True
    if merged:
        needed("onnxscript").ir.passes.common.RemoveUnusedNodesPass()(model)  # the constants among them


def _pads_all_axes_with_a_number(node: Any) -> bool:
    mode = node.attributes.get("mode")
    return (mode is None or mode.value == "constant") and (len(node.inputs) < 4 or node.inputs[3] is None)


def _slices_of(value: Any) -> dict[int, Any]:
    """The slices behind a value, by the one axis that each cuts."""
    slices: dict[int, Any] = {}
    while (found := _next_slice(value)) is not None and found[0] not in slices:
        axis, node = found
        slices[axis], value = node, node.outputs[0]
    return slices


def _next_slice(value: Any) -> tuple[int, Any] | None:
    """The slice behind a value that nothing else uses, and its axis; None where it is not one that can be merged."""
    users = [node for node, _ in value.uses()]
    if len(users) != 1 or value.is_graph_output() or users[0].op_type != "Slice" or len(users[0].inputs) != 5:
        return None
    (node,) = users
    start, end, axes, steps = (_constant(bound) for bound in node.inputs[1:])
    if start is not None or end is not None or axes is None or steps != [1] or node.outputs[0].is_graph_output():
        return None
    return (axes[0], node) if len(axes) == 1 and axes[0] >= 0 else None


def _merge(graph: Any, node: Any, amounts: Sequence[int], slices: Mapping[int, Any]) -> None:
    ir = needed("onnxscript").ir
    x = node.inputs[0]
    new: list[Any] = []

    def value_of(op: str, *inputs: Any, **attributes: int | list[int]) -> Any:
        new.append(ir.node(op, inputs, attributes))
        (value,) = new[-1].outputs
        value.name = f"{node.outputs[0].name}_amounts_{len(new)}"
        return value

    depending: dict[int, Any] = {}  # on the size, by their position among the amounts
    for axis, cut in slices.items():
        _, start, end, *_ = cut.inputs
        before = value_of("Constant", value_ints=[amounts[axis]])
        depending[axis] = value_of("Sub", before, start)
        size = value_of("Shape", x, start=axis, end=axis + 1)
        depending[axis + len(amounts) // 2] = value_of("Sub", value_of("Sub", end, size), before)
    all_of_them = [
        depending[at] if at in depending else value_of("Constant", value_ints=[amount])
        for at, amount in enumerate(amounts)
    ]
    padded = ir.node("Pad", [x, value_of("Concat", *all_of_them, axis=0), *node.inputs[2:]], {"mode": "constant"})
    *_, last = slices.values()
    (old,) = last.outputs
    padded.outputs[0].name, padded.outputs[0].type, padded.outputs[0].shape = old.name, old.type, old.shape
    graph.insert_after(last, [*new, padded])
    ir.convenience.replace_all_uses_with(old, padded.outputs[0])
    graph.remove([node, *slices.values()], safe=True)


def _constant(value: Any) -> list[int] | None:
    tensor = None if value is None else needed("onnxscript").ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy().tolist()
