"""The loss of a student's predictions against a teacher's, pair by pair."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from condetr.core.boxes import cxcywh_to_xyxy, generalized_iou
from condetr.core.records import Prediction
from condetr.losses.loss_weights import LossWeights


def distillation_loss(student: Prediction, teacher: Prediction, weights: LossWeights) -> Float[Tensor, ""]:
    """The sum over pairs of the losses of classes and boxes.

    Of the classes it is the quality focal loss (Li et al. 2020) of the student's scores s, with those of the teacher t
    as targets; of the boxes, L1 and GIoU, times the teacher's highest score::

        |t - s|^2 * BCE(s, t)        max(t) * L1        max(t) * (1 - GIoU)

    Args:
        student: has gradients; queries may have any leading axes, the same as the teacher's.
        teacher: the prediction that each of the student's is paired with.
        weights: of the terms.
    """
    scores = teacher.logits.sigmoid()
    surprise = (scores - student.logits.sigmoid()).square()
    classes = (surprise * binary_cross_entropy_with_logits(student.logits, scores, reduction="none")).sum()
    certainty = scores.amax(-1)
    l1 = ((student.boxes - teacher.boxes).abs().sum(-1) * certainty).sum()
    overlap = generalized_iou(cxcywh_to_xyxy(student.boxes), cxcywh_to_xyxy(teacher.boxes))
    return weights.classes * classes + weights.boxes * l1 + weights.giou * ((1 - overlap) * certainty).sum()
