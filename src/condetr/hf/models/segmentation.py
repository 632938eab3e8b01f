"""ConditionalDetrForSegmentation: the segmenter under transformers' names and arguments."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.mask_outputs import QueryMasks
from condetr.hf.models.new_network import new_network
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.models.outputs import ConditionalDetrSegmentationOutput
from condetr.hf.models.pretrained import PretrainedModel
from condetr.hf.models.recorded_forward import EncoderOutputs, ForwardArguments
from condetr.hf.models.state_names import use_hub_keys
from condetr.images.masks.in_boxes import limited_to_boxes
from condetr.losses.masks import MaskSupervision
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_attention import MaskAttention
from condetr.model.segmenter import ConditionalDetrSegmenter, with_masks


class ConditionalDetrForSegmentation(PretrainedModel):
    """The detector, which is ``conditional_detr``, and a mask for every object query.

    Boxes are the detector's, relative to the reference points. ``from_pretrained`` of a detector copies all of it and
    initializes a fresh mask head.
    """

    headless: ClassVar[bool] = False
    kind: ClassVar[type[ConditionalDetr]] = ConditionalDetrSegmenter

    def __init__(self, config: ConditionalDetrConfig, detector: ConditionalDetr | None = None) -> None:
        super().__init__(config)
        segmenter = new_network(config, ConditionalDetrSegmenter) if detector is None else detector
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
        """The part of the mask head that gives the attention maps of an embedding."""
        return self.mask_head.attention

    @property
    def network(self) -> ConditionalDetrSegmenter:
        """The segmenter as condetr's own module; it shares every layer with this model.

        Raises:
            UsageError: its class head was exchanged for a layer other than a linear one for the config's classes.
        """
        network = with_masks(self.conditional_detr.network, self.mask_head)
        return network.with_masks_in_boxes(self.config.masks_in_boxes)

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

        The backbone always runs, because the masks need its features. ``inputs_embeds`` replace its projected
        features, for the encoder and the masks alike. ``labels`` also have ``masks`` (objects, height, width). If
        there are labels, the masks of unmatched queries have no gradient: no loss depends on them.

        Raises:
            UsageError: an argument does not fit the network or the others.
            AnnotationError: a label is malformed or has no masks; names the image.
            ModelError: there are labels, but the predictions are not finite.
        """
        detector = self.conditional_detr
        arguments = ForwardArguments(
            pixel_values, pixel_mask, decoder_attention_mask, encoder_outputs, inputs_embeds, decoder_inputs_embeds
        )
        forward = detector.model.record_forward(arguments, output_attentions, output_hidden_states, features=True)
        masks = QueryMasks(self.mask_head, forward.trace)
        # As in the peers, padding counts as pixels of no object here; in condetr's own training it does not.
        in_boxes = self.config.masks_in_boxes
        size = pixel_values.shape[2], pixel_values.shape[3]
        supervision = MaskSupervision(masks.matched, size, in_boxes=in_boxes)
        output = detector.output_of(forward, labels, supervision)
        planes = masks.of_all_queries()  # after the losses, which compute some of them
        if in_boxes:
            planes = limited_to_boxes(planes, output["pred_boxes"], _real_shares(pixel_mask))
        output["pred_masks"] = planes
        return self._returned(ConditionalDetrSegmentationOutput(**output), return_dict)


def _real_shares(pixel_mask: Tensor | None) -> Tensor | tuple[float, float]:
    """(batch, 1, 2): the fraction of the rows and columns of each image that is not padding."""
    if pixel_mask is None:
        return 1.0, 1.0
    real = pixel_mask.bool()
    rows, columns = real.any(2).float().mean(1), real.any(1).float().mean(1)
    return torch.stack((rows, columns), dim=-1)[:, None]
