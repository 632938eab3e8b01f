"""The losses of masks as DETR writes them down, pixel by pixel and object by object, in plain numbers."""

import math

from torch.nn.functional import interpolate


def plain_mask_losses(logits, targets, frame, real, matched, alpha=0.25) -> tuple[float, float]:
    """Focal loss averaged over pixels, and dice, each summed over the objects that have a query."""
    focal = dice = 0.0
    for image, query, number in zip(
        matched.images.tolist(), matched.queries[-1].tolist(), matched.objects[-1].tolist(), strict=True
    ):
        enlarged = interpolate(logits[image, query].double()[None, None], size=frame, mode="bilinear")[0, 0].tolist()
        wanted = targets[image].masks[number].tolist()
        losses, both, predicted, covered = [], 0.0, 0.0, 0.0
        for y, row in enumerate(enlarged):
            for x, logit in enumerate(row):
                if real is not None and not real[image, y, x]:
                    continue
                inside = y < len(wanted) and x < len(wanted[0]) and wanted[y][x]
                chance = 1 / (1 + math.exp(-logit))
                right = chance if inside else 1 - chance
                losses.append(-(alpha if inside else 1 - alpha) * (1 - right) ** 2 * math.log(right))
                both, predicted, covered = both + chance * inside, predicted + chance, covered + inside
        focal += sum(losses) / len(losses)
        dice += 1 - (2 * both + 1) / (predicted + covered + 1)
    return focal, dice
