"""ConditionalDetrModel and ConditionalDetrForObjectDetection: the network behind transformers' names and arguments."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from condetr.core.errors import UsageError
from condetr.core.records import Prediction
from condetr.core.shapes import Points, Queries
from condetr.hf.configuration import ConditionalDetrConfig
from condetr.hf.look import EncoderOutputs, Sight, look
from condetr.hf.outputs import ConditionalDetrModelOutput, ConditionalDetrObjectDetectionOutput
from condetr.hf.parts import BodyOf, Whole
from condetr.hf.pretrained import PretrainedModel
from condetr.hf.state_names import speak_hub
from condetr.hf.supervision import losses_of
from condetr.losses.set_loss import LossWeights
from condetr.matching.costs import MatchingCosts
from condetr.model.body import Body
from condetr.model.detector import ConditionalDetr


class ConditionalDetrModel(PretrainedModel):
    """Backbone, encoder and conditional decoder, without a head.

    ``network`` is the body in condetr's own words; ``backbone``, ``encoder``, ``decoder``, ``input_projection``,
    ``position_embedding`` and ``query_position_embeddings`` are its parts.
    """

    base_model_prefix: ClassVar[str] = "model"
    headless: ClassVar[bool] = True
    _parts: ClassVar[dict[str, str]] = {
        "backbone": "backbone",
        "input_projection": "input_projection",
        "position_embedding": "position",
        "encoder": "encoder",
        "decoder": "decoder",
    }

    def __init__(self, config: ConditionalDetrConfig, detector: Body | None = None) -> None:
        super().__init__(config)
        self.network = BodyOf(ConditionalDetr(config.split().config) if detector is None else detector)
        self._leave_early_layers()
        speak_hub(self)

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
    ) -> Sight:
        """One look at a batch, as `forward` is asked for it."""
        asked = self.config.output_attentions if output_attentions is None else output_attentions
        states = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return look(self.network, *inputs, attentions=asked, hidden_states=states)

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
        """Look at a batch of pictures.

        Args:
            pixel_values: normalised pictures (batch, colours, height, width).
            pixel_mask: (batch, height, width), 1 on real pixels and 0 on padding; all real by default.
            decoder_attention_mask: (batch, queries), 0 on object queries that the others must not see.
            encoder_outputs: of an earlier look at the same pictures; the encoder is not run again.
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


class ConditionalDetrForObjectDetection(PretrainedModel):
    """The detector: scores of every class and a box for every object query; losses when given labels.

    ``class_labels_classifier`` may be exchanged for another layer.
    """

    base_model_prefix: ClassVar[str] = "model"
    headless: ClassVar[bool] = False

    def __init__(self, config: ConditionalDetrConfig, detector: ConditionalDetr | None = None) -> None:
        super().__init__(config)
        detector = ConditionalDetr(config.split().config) if detector is None else detector
        self.model = ConditionalDetrModel(config, detector)
        self.class_labels_classifier = detector.head.classes
        self.bbox_predictor = detector.head.boxes

    @property
    def network(self) -> ConditionalDetr:
        """The detector in condetr's own words; it shares every layer with this model.

        Raises:
            UsageError: its head was exchanged for something else than a linear layer for the classes of the config.
        """
        head, width, classes = self.class_labels_classifier, self.config.d_model, self.config.num_labels
        if not isinstance(head, nn.Linear) or head.weight.shape != (classes, width) or head.bias is None:
            raise UsageError(
                f"is {head}, expected a Linear layer from {width} to the {classes} classes of the config",
                item="class_labels_classifier",
                hint="give the config the names of the new classes: config.id2label = {...}",
            )
        return Whole(self.model.network, self.class_labels_classifier, self.bbox_predictor)

    def forward(
        self,
        pixel_values: Tensor,
        pixel_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: EncoderOutputs | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Sequence[Any] | None = None,
        output_attentions: bool | None = None,  # noqa: FBT001  transformers' signature, here and below
        output_hidden_states: bool | None = None,  # noqa: FBT001
        return_dict: bool | None = None,  # noqa: FBT001
    ) -> ConditionalDetrObjectDetectionOutput | tuple[Any, ...]:
        """Detect objects in a batch of pictures; the arguments are those of `ConditionalDetrModel`, and ``labels``.

        ``labels`` has a dict per image, with ``class_labels`` (whole numbers) and ``boxes`` (cx, cy, w, h) in [0, 1].

        Raises:
            UsageError: an argument does not fit the network or the others.
            AnnotationError: a label is malformed; names the image.
            ModelError: there are labels, but the predictions are not finite.
        """
        sight = self.model.look(
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
        supervised = trace.embeddings if self.config.auxiliary_loss and labels is not None else trace.embeddings[-1:]
        predictions = [self._predict(embeddings, trace.reference_logits) for embeddings in supervised]
        output = ConditionalDetrObjectDetectionOutput(
            logits=predictions[-1].logits,
            pred_boxes=predictions[-1].boxes,
            last_hidden_state=trace.embeddings[-1],
            encoder_last_hidden_state=trace.memory,
            **sight.watched,
        )
        if labels is not None:
            output.loss, output.loss_dict = losses_of(predictions, labels, self._costs, self._weights)
            if self.config.auxiliary_loss:
                output.auxiliary_outputs = [{"logits": one.logits, "pred_boxes": one.boxes} for one in predictions[:-1]]
        return self._returned(output, return_dict)

    def _predict(self, embeddings: Queries, reference_logits: Points) -> Prediction:
        boxes = self.bbox_predictor(embeddings) + pad(reference_logits, (0, 2))
        return Prediction(self.class_labels_classifier(embeddings), boxes.sigmoid())

    @property
    def _costs(self) -> MatchingCosts:
        return MatchingCosts(*self._numbers("class_cost", "bbox_cost", "giou_cost"))

    @property
    def _weights(self) -> LossWeights:
        coefficients = ("cls_loss_coefficient", "bbox_loss_coefficient", "giou_loss_coefficient")
        return LossWeights(*self._numbers(*coefficients, "focal_alpha"))

    def _numbers(self, *settings: str) -> list[float]:
        return [float(getattr(self.config, setting)) for setting in settings]
