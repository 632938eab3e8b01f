"""ConditionalDetrForObjectDetection: the detector under transformers' names and arguments."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn

from condetr.core.errors import UsageError
from condetr.core.records import Prediction
from condetr.core.shapes import Points, Queries
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.losses import losses_of
from condetr.hf.models.new_network import new_network
from condetr.hf.models.outputs import ConditionalDetrObjectDetectionOutput
from condetr.hf.models.pretrained import PretrainedModel
from condetr.hf.models.recorded_forward import EncoderOutputs, ForwardArguments, RecordedForward
from condetr.losses.loss_weights import LossWeights
from condetr.losses.masks import MaskSupervision
from condetr.matching.matching_costs import MatchingCosts
from condetr.model.detector import ConditionalDetr
from condetr.model.heads import DetectionHead, anchored
from condetr.model.transformer import Trace


class ConditionalDetrForObjectDetection(PretrainedModel):
    """The detector: scores of every class and a box for every object query; losses if labels are given.

    ``class_labels_classifier`` may be exchanged for another layer.
    """

    headless: ClassVar[bool] = False

    def __init__(self, config: ConditionalDetrConfig, detector: ConditionalDetr | None = None) -> None:
        super().__init__(config)
        detector = new_network(config, ConditionalDetr) if detector is None else detector
        self.model = ConditionalDetrModel(config, detector)
        self.class_labels_classifier = detector.head.classes
        self.bbox_predictor = detector.head.boxes

    @property
    def network(self) -> ConditionalDetr:
        """The detector as condetr's own module; it shares every layer with this model.

        Raises:
            UsageError: its class head was exchanged for a layer other than a linear one for the config's classes.
        """
        classes, width, count = self.class_labels_classifier, self.config.d_model, self.config.num_labels
        if not isinstance(classes, nn.Linear) or classes.weight.shape != (count, width) or classes.bias is None:
            raise UsageError(
                f"is {classes}, expected a Linear layer from {width} to the {count} classes of the config",
                item="class_labels_classifier",
                hint="give the config the names of the new classes: config.id2label = {...}",
            )
        body = self.model.network
        return ConditionalDetr(
            replace(body.config, num_labels=count), body, DetectionHead(classes, self.bbox_predictor)
        )

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
        """Detect objects in a batch of images; the arguments are those of `ConditionalDetrModel`, and ``labels``.

        ``labels`` has a dict per image, with ``class_labels`` (whole numbers) and ``boxes`` (cx, cy, w, h) in [0, 1].

        Raises:
            UsageError: an argument does not fit the network or the others.
            AnnotationError: a label is malformed; names the image.
            ModelError: there are labels, but the predictions are not finite.
        """
        arguments = ForwardArguments(
            pixel_values, pixel_mask, decoder_attention_mask, encoder_outputs, inputs_embeds, decoder_inputs_embeds
        )
        forward = self.model.record_forward(arguments, output_attentions, output_hidden_states)
        return self._returned(ConditionalDetrObjectDetectionOutput(**self.output_of(forward, labels)), return_dict)

    def output_of(
        self, forward: RecordedForward, labels: Sequence[Any] | None, supervision: MaskSupervision | None = None
    ) -> dict[str, Any]:
        """The output fields that a detector and a segmenter share."""
        trace = forward.trace
        predictions = self.predictions(trace, supervised=labels is not None)
        output: dict[str, Any] = {
            "logits": predictions[-1].logits,
            "pred_boxes": predictions[-1].boxes,
            "last_hidden_state": trace.embeddings[-1],
            "encoder_last_hidden_state": trace.memory,
            **forward.recorded,
        }
        if labels is not None:
            output["loss"], output["loss_dict"] = losses_of(predictions, labels, self.costs, self.weights, supervision)
            if self.config.auxiliary_loss:
                output["auxiliary_outputs"] = [{"logits": p.logits, "pred_boxes": p.boxes} for p in predictions[:-1]]
        return output

    def predictions(self, trace: Trace, *, supervised: bool) -> list[Prediction]:
        """Of the last decoder layer; of all, last layer last, if the losses need them."""
        layers = trace.embeddings if self.config.auxiliary_loss and supervised else trace.embeddings[-1:]
        return [self._predict(embeddings, trace.reference_logits) for embeddings in layers]

    def _predict(self, embeddings: Queries, reference_logits: Points) -> Prediction:
        boxes = anchored(self.bbox_predictor(embeddings), reference_logits)
        return Prediction(self.class_labels_classifier(embeddings), boxes)

    @property
    def costs(self) -> MatchingCosts:
        return MatchingCosts(*self._numbers("class_cost", "bbox_cost", "giou_cost"))

    @property
    def weights(self) -> LossWeights:
        of_boxes = ("cls_loss_coefficient", "bbox_loss_coefficient", "giou_loss_coefficient")
        of_masks = ("mask_loss_coefficient", "dice_loss_coefficient")
        return LossWeights(*self._numbers(*of_boxes, "focal_alpha", *of_masks))

    def _numbers(self, *settings: str) -> list[float]:
        return [float(getattr(self.config, setting)) for setting in settings]
