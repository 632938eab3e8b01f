"""ConditionalDetrForSegmentation: the segmenter behind transformers' names and arguments."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from condetr.core.errors import UsageError
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.losses import losses_of
from condetr.hf.models.mask_outputs import MasksOfAll
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.models.outputs import ConditionalDetrSegmentationOutput
from condetr.hf.models.pretrained import PretrainedModel
from condetr.hf.models.recorded_forward import EncoderOutputs
from condetr.hf.models.state_names import use_hub_keys
from condetr.losses.masks import MaskSupervision
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_attention import MaskAttention
from condetr.model.segmenter import ConditionalDetrSegmenter, with_masks


class ConditionalDetrForSegmentation(PretrainedModel):
    """The detector, which is ``conditional_detr``, and a mask for every object query.

    Boxes are the detector's, from the reference points on. ``from_pretrained`` of a detector copies all of it and
    starts the mask head afresh.
    """

    headless: ClassVar[bool] = False
    kind: ClassVar[type[ConditionalDetr]] = ConditionalDetrSegmenter

    def __init__(self, config: ConditionalDetrConfig, detector: ConditionalDetr | None = None) -> None:
        super().__init__(config)
        segmenter = ConditionalDetrSegmenter(config.split().config) if detector is None else detector
        if not isinstance(segmenter, ConditionalDetrSegmenter):
            raise UsageError("expected a segmenter", item="detector", hint="with_masks(detector) makes one")
        self.conditional_detr = ConditionalDetrForObjectDetection(config, segmenter)
        self.mask_head = segmenter.mask_head
        use_hub_keys(self, part="mask_head", root="mask_head.")

    @property
    def base_model(self) -> ConditionalDetrModel:
        """The model below the heads."""
        return self.conditional_detr.model

    @property
    def bbox_attention(self) -> MaskAttention:
        """The part of the mask head that says where an embedding would look."""
        return self.mask_head.attention

    @property
    def network(self) -> ConditionalDetrSegmenter:
        """The segmenter in condetr's own words; it shares every layer with this model.

        Raises:
            UsageError: its class head was exchanged for something else than the config says.
        """
        return with_masks(self.conditional_detr.network, self.mask_head)

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
    ) -> ConditionalDetrSegmentationOutput | tuple[Any, ...]:
        """Segment a batch of images; the arguments are those of `ConditionalDetrForObjectDetection`.

        The backbone looks at the images in any case, for the masks need its features. ``inputs_embeds`` stand for
        its projected features, for the encoder and the masks alike. ``labels`` also have ``masks`` (objects, height,
        width). Given labels, the masks of queries that answer for no object have no gradient: no loss asks for one.

        Raises:
            UsageError: an argument does not fit the network or the others.
            AnnotationError: a label is malformed or has no masks; names the image.
            ModelError: there are labels, but the predictions are not finite.
        """
        detector = self.conditional_detr
        sight = detector.model.look(
            pixel_values,
            pixel_mask,
            decoder_attention_mask,
            encoder_outputs,
            inputs_embeds,
            decoder_inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            features=True,
        )
        trace = sight.trace
        predictions = detector.conclude(trace, supervised=labels is not None)
        masks = MasksOfAll(self.mask_head, trace)
        loss: dict[str, Any] = {}
        if labels is not None:
            # As in the peers, padding counts as pixels of no object here; in condetr's own training it does not.
            supervision = MaskSupervision(masks.matched, (pixel_values.shape[2], pixel_values.shape[3]))
            total, terms = losses_of(predictions, labels, detector.costs, detector.weights, supervision)
            loss = {"loss": total, "loss_dict": terms}
            if self.config.auxiliary_loss:
                loss["auxiliary_outputs"] = [{"logits": p.logits, "pred_boxes": p.boxes} for p in predictions[:-1]]
        output = ConditionalDetrSegmentationOutput(
            logits=predictions[-1].logits,
            pred_boxes=predictions[-1].boxes,
            pred_masks=masks.together(),
            last_hidden_state=trace.embeddings[-1],
            encoder_last_hidden_state=trace.memory,
            **loss,
            **sight.watched,
        )
        return self._returned(output, return_dict)
