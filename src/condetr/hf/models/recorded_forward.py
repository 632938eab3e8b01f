"""One forward pass under transformers' arguments, with the attention weights and hidden states that are asked for."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from condetr.core.shapes import Memory
from condetr.hf.models.forward_hooks import record_attention, record_inputs
from condetr.hf.models.inputs import check_pixels, check_shape, padding_of, visible_queries
from condetr.hf.models.outputs import BaseModelOutput
from condetr.model import activation_checkpointing
from condetr.model.transformer import DetrTransformer, Trace

Layers = tuple[Tensor, ...]
EncoderOutputs = Mapping[str, Any] | tuple[Any, ...] | Memory  # `BaseModelOutput`, its parts, or only its first


class ForwardArguments(NamedTuple):
    """The tensors that the forward of every model takes; see `ConditionalDetrModel.forward`."""

    pixel_values: Tensor
    pixel_mask: Tensor | None
    decoder_attention_mask: Tensor | None
    encoder_outputs: EncoderOutputs | None
    inputs_embeds: Tensor | None
    decoder_inputs_embeds: Tensor | None


@dataclass(frozen=True, slots=True)
class RecordedForward:
    """The trace of a forward pass, and what was recorded of it, by output field."""

    trace: Trace
    recorded: dict[str, Layers | None] = field(default_factory=dict)


def record_forward(
    body: DetrTransformer, arguments: ForwardArguments, *, attentions: bool, hidden_states: bool, features: bool
) -> RecordedForward:
    """With ``features`` the backbone runs even if nothing but a mask head needs it.

    Raises:
        UsageError: an argument does not fit the network or the others.
    """
    pixels, queries = arguments.pixel_values, len(body.decoder.object_queries)
    check_pixels(pixels, body)
    batch, width = pixels.shape[0], body.config.d_model
    rows, columns = body.grid_size(pixels)
    encoded = _encoded(arguments.encoder_outputs)
    check_shape("encoder_outputs", encoded.last_hidden_state, (batch, rows * columns, width))
    check_shape("inputs_embeds", arguments.inputs_embeds, (batch, rows * columns, width))
    check_shape("decoder_inputs_embeds", arguments.decoder_inputs_embeds, (batch, queries, width))

    encoder: list[Any] = list(body.encoder.layers)
    decoder: list[Any] = list(body.decoder.layers)
    sources = {
        "encoder_attentions": [layer.self_attention.attend for layer in encoder],
        "decoder_attentions": [layer.self_attention.attend for layer in decoder],
        "cross_attentions": [layer.cross_attention.attend for layer in decoder],
    }
    with ExitStack() as recording:
        states = {}
        if hidden_states:
            states["encoder_hidden_states"] = recording.enter_context(record_inputs(encoder))
            states["decoder_hidden_states"] = recording.enter_context(record_inputs(decoder))
        weights = {}
        if attentions:
            recording.enter_context(activation_checkpointing.suspended([*encoder, *decoder]))
            weights = {name: recording.enter_context(record_attention(source)) for name, source in sources.items()}
        trace = _trace(body, arguments, encoded.last_hidden_state, features=features)
    ends = {"encoder_hidden_states": trace.memory, "decoder_hidden_states": trace.embeddings[-1]}
    recorded: dict[str, Layers | None] = {name: (*inputs, ends[name]) for name, inputs in states.items()}
    recorded |= {name: tuple(layers) for name, layers in weights.items()}
    if arguments.encoder_outputs is not None:
        recorded |= {"encoder_hidden_states": encoded.hidden_states, "encoder_attentions": encoded.attentions}
    return RecordedForward(trace, recorded)


def _trace(body: DetrTransformer, arguments: ForwardArguments, memory: Memory | None, *, features: bool) -> Trace:
    """Run the stages whose results are not among the arguments."""
    pixels, flattened = arguments.pixel_values, arguments.inputs_embeds
    mask = padding_of(arguments.pixel_mask, pixels, body)
    query_mask = visible_queries(arguments.decoder_attention_mask, pixels.shape[0], len(body.decoder.object_queries))
    body.check(pixels)
    maps = body.backbone(pixels) if features or (memory is None and flattened is None) else ()
    rows, columns = maps[-1].shape[-2:] if maps else body.grid_size(pixels)
    if maps and flattened is None:
        flattened = body.project(maps)
    grid = body.grid(pixels, mask, rows, columns)
    if memory is None:
        assert flattened is not None, "from the features or the arguments"
        memory = body.encode(flattened, grid)
    decoded = body.decode(memory, grid, arguments.decoder_inputs_embeds, query_mask)
    return Trace(maps, flattened, grid.cells, memory, decoded.embeddings, decoded.reference_logits)


def _encoded(encoder_outputs: EncoderOutputs | None) -> BaseModelOutput:
    """The encoder's output from an earlier forward pass; tuples have its fields in order."""
    if encoder_outputs is None or isinstance(encoder_outputs, Mapping | Tensor):
        return BaseModelOutput(encoder_outputs)
    names = ("last_hidden_state", "hidden_states", "attentions")
    return BaseModelOutput(zip(names, encoder_outputs, strict=False))
