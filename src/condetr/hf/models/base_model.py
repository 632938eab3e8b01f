"""ConditionalDetrModel: what the network concludes, before any head, behind transformers' names and arguments."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.outputs import ConditionalDetrModelOutput
from condetr.hf.models.pretrained import PretrainedModel
from condetr.hf.models.recorded_forward import EncoderOutputs, Sight, look
from condetr.hf.models.shared_weights import BodyOf
from condetr.hf.models.state_names import use_hub_keys
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import DetrTransformer


class ConditionalDetrModel(PretrainedModel):
    """Backbone, encoder and conditional decoder, without a head.

    ``network`` is the body in condetr's own words; ``backbone``, ``encoder``, ``decoder``, ``input_projection``,
    ``position_embedding`` and ``query_position_embeddings`` are its parts.
    """

    headless: ClassVar[bool] = True
    _parts: ClassVar[dict[str, str]] = {
        "backbone": "backbone",
        "input_projection": "input_projection",
        "position_embedding": "position",
        "encoder": "encoder",
        "decoder": "decoder",
    }

    def __init__(self, config: ConditionalDetrConfig, detector: DetrTransformer | None = None) -> None:
        super().__init__(config)
        self.network = BodyOf(ConditionalDetr(config.split().config) if detector is None else detector)
        self._leave_early_layers()
        use_hub_keys(self, part="network")

    def __getattr__(self, name: str) -> Any:
        if name in self._parts:
            return getattr(self.network, self._parts[name])
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._parts:
            setattr(self.network, self._parts[name], value)
        else:
            super().__setattr__(name, value)

    @property
    def query_position_embeddings(self) -> nn.Embedding:
        """The object queries, as the weight of an embedding."""
        queries = self.network.decoder.object_queries
        embedding = nn.Embedding.from_pretrained(queries)
        embedding.weight = queries
        return embedding

    def look(
        self,
        *inputs: Any,
        output_attentions: bool | None,
        output_hidden_states: bool | None,
        features: bool = False,
    ) -> Sight:
        """One look at a batch, as `forward` is asked for it; ``features`` asks for the backbone's in any case."""
        asked = self.config.output_attentions if output_attentions is None else output_attentions
        states = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return look(self.network, *inputs, attentions=asked, hidden_states=states, features=features)

    def forward(
        self,
        pixel_values: Tensor,
        pixel_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: EncoderOutputs | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,  # noqa: FBT001  transformers' signature, here and below
        output_hidden_states: bool | None = None,  # noqa: FBT001
        return_dict: bool | None = None,  # noqa: FBT001
    ) -> ConditionalDetrModelOutput | tuple[Any, ...]:
        """Look at a batch of images.

        Args:
            pixel_values: normalized images (batch, colors, height, width).
            pixel_mask: (batch, height, width), 1 on real pixels and 0 on padding; all real by default.
            decoder_attention_mask: (batch, queries), 0 on object queries that the others must not see.
            encoder_outputs: of an earlier look at the same images; the encoder is not run again.
            inputs_embeds: (batch, cells, channels), enters the encoder instead of what the backbone sees.
            decoder_inputs_embeds: (batch, queries, channels), what the queries start from instead of zeros.
            output_attentions: also give the attention weights of every layer.
            output_hidden_states: also give what enters every layer, and what leaves the last.
            return_dict: False for a tuple of what is there.

        Raises:
            UsageError: an argument does not fit the network or the others.
        """
        sight = self.look(
            pixel_values,
            pixel_mask,
            decoder_attention_mask,
            encoder_outputs,
            inputs_embeds,
            decoder_inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        trace = sight.trace
        output = ConditionalDetrModelOutput(
            last_hidden_state=trace.embeddings[-1],
            encoder_last_hidden_state=trace.memory,
            intermediate_hidden_states=torch.stack(trace.embeddings) if self.config.auxiliary_loss else None,
            reference_points=trace.reference_logits.sigmoid().transpose(0, 1),
            **sight.watched,
        )
        return self._returned(output, return_dict)
