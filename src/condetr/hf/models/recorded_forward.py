"""One look at a batch, watched from outside as far as somebody wants to see."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from condetr.core.shapes import Memory
from condetr.hf.models.forward_hooks import attending, entering
from condetr.hf.models.inputs import cells_of, check_pixels, check_shape, padding_of, queries_seen
from condetr.hf.models.outputs import BaseModelOutput
from condetr.model.activation_checkpointing import kept
from condetr.model.transformer import DetrTransformer, Trace

Seen = tuple[Tensor, ...]
EncoderOutputs = Mapping[str, Any] | tuple[Any, ...] | Memory  # `BaseModelOutput`, its parts, or only its first


@dataclass(frozen=True, slots=True)
class Sight:
    """The trace of a look, and what was watched of it, by the name of the output field."""

    trace: Trace
    watched: dict[str, Seen | None] = field(default_factory=dict)


def look(
    body: DetrTransformer,
    pixel_values: Tensor,
    pixel_mask: Tensor | None,
    decoder_attention_mask: Tensor | None,
    encoder_outputs: EncoderOutputs | None,
    inputs_embeds: Tensor | None,
    decoder_inputs_embeds: Tensor | None,
    *,
    attentions: bool,
    hidden_states: bool,
    features: bool,
) -> Sight:
    """``features`` asks for those of the backbone, also where it could be left out.

    Raises:
        UsageError: an argument does not fit the network or the others.
    """
    check_pixels(pixel_values, body)
    batch, width = pixel_values.shape[0], body.config.d_model
    rows, columns = cells_of(pixel_values, body)
    encoded = _encoded(encoder_outputs)
    check_shape("encoder_outputs", encoded.last_hidden_state, (batch, rows * columns, width))
    check_shape("inputs_embeds", inputs_embeds, (batch, rows * columns, width))
    queries = len(body.decoder.object_queries)
    check_shape("decoder_inputs_embeds", decoder_inputs_embeds, (batch, queries, width))

    encoder: list[Any] = list(body.encoder.layers)
    decoder: list[Any] = list(body.decoder.layers)
    sources = {
        "encoder_attentions": [layer.self_attention.attend for layer in encoder],
        "decoder_attentions": [layer.self_attention.attend for layer in decoder],
        "cross_attentions": [layer.cross_attention.attend for layer in decoder],
    }
    with ExitStack() as watching:
        states = {}
        if hidden_states:
            states["encoder_hidden_states"] = watching.enter_context(entering(encoder))
            states["decoder_hidden_states"] = watching.enter_context(entering(decoder))
        weights = {}
        if attentions:
            watching.enter_context(kept([*encoder, *decoder]))
            weights = {name: watching.enter_context(attending(source)) for name, source in sources.items()}
        trace = body.trace(
            pixel_values,
            padding_of(pixel_mask, pixel_values, body),
            features=body.backbone(pixel_values) if features else None,
            flattened=inputs_embeds,
            memory=encoded.last_hidden_state,
            embeddings=decoder_inputs_embeds,
            query_mask=queries_seen(decoder_attention_mask, batch, queries),
        )
    ends = {"encoder_hidden_states": trace.memory, "decoder_hidden_states": trace.embeddings[-1]}
    watched: dict[str, Seen | None] = {name: (*entered, ends[name]) for name, entered in states.items()}
    watched |= {name: tuple(seen) for name, seen in weights.items()}
    if encoder_outputs is not None:
        watched |= {"encoder_hidden_states": encoded.hidden_states, "encoder_attentions": encoded.attentions}
    return Sight(trace, watched)


def _encoded(encoder_outputs: EncoderOutputs | None) -> BaseModelOutput:
    """The parts of an earlier look at the same image; tuples have them in order."""
    if encoder_outputs is None or isinstance(encoder_outputs, Mapping | Tensor):
        return BaseModelOutput(encoder_outputs)
    parts = ("last_hidden_state", "hidden_states", "attentions")
    return BaseModelOutput(zip(parts, encoder_outputs, strict=False))
