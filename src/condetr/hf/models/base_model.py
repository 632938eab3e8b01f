"""ConditionalDetrModel: the network without a head, under transformers' names and arguments."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.new_network import new_network
from condetr.hf.models.outputs import ConditionalDetrModelOutput
from condetr.hf.models.pretrained import PretrainedModel
from condetr.hf.models.recorded_forward import EncoderOutputs, ForwardArguments, RecordedForward, record_forward
from condetr.hf.models.state_names import use_hub_keys
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import DetrTransformer


class ConditionalDetrModel(PretrainedModel):
    """Backbone, encoder and conditional decoder, without a head.

    ``network`` is condetr's own module; ``backbone``, ``encoder``, ``decoder``, ``input_projection``,
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

    def __init__(self, config: ConditionalDetrConfig, detector: ConditionalDetr | None = None) -> None:
        super().__init__(config)
        self.network = new_network(config, DetrTransformer) if detector is None else detector.body
        self._freeze_early_layers()
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

    def record_forward(
        self,
        arguments: ForwardArguments,
        output_attentions: bool | None,  # noqa: FBT001  as forward has them
        output_hidden_states: bool | None,  # noqa: FBT001
        *,
        features: bool = False,
    ) -> RecordedForward:
        """Outputs that are not chosen here are chosen by the config; with ``features`` the backbone always runs."""
        attentions = self.config.output_attentions if output_attentions is None else output_attentions
        states = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return record_forward(self.network, arguments, attentions=attentions, hidden_states=states, features=features)

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
        """Encode and decode a batch of images.

        Args:
            pixel_values: normalized images (batch, channels, height, width).
            pixel_mask: (batch, height, width), 1 on real pixels and 0 on padding; all real by default.
            decoder_attention_mask: (batch, queries), 0 on object queries that are hidden from the others.
            encoder_outputs: of an earlier forward pass on the same images; the encoder does not run again.
            inputs_embeds: (batch, cells, channels), input of the encoder in place of the projected backbone features.
            decoder_inputs_embeds: (batch, queries, channels), input of the decoder in place of zeros.
            output_attentions: also return the attention weights of every layer.
            output_hidden_states: also return the input of every layer, and the output of the last.
            return_dict: False for a tuple of the fields that are not None.

        Raises:
            UsageError: an argument does not fit the network or the others.
        """
        arguments = ForwardArguments(
            pixel_values, pixel_mask, decoder_attention_mask, encoder_outputs, inputs_embeds, decoder_inputs_embeds
        )
        forward = self.record_forward(arguments, output_attentions, output_hidden_states)
        trace = forward.trace
        output = ConditionalDetrModelOutput(
            last_hidden_state=trace.embeddings[-1],
            encoder_last_hidden_state=trace.memory,
            intermediate_hidden_states=torch.stack(trace.embeddings) if self.config.auxiliary_loss else None,
            reference_points=trace.reference_logits.sigmoid().transpose(0, 1),
            **forward.recorded,
        )
        return self._returned(output, return_dict)
