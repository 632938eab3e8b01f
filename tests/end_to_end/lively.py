"""Random weights under which a deep detector of transformers sees different things in different places.

Scrambled weights alone make every query of a six-layer decoder answer alike: attention averages the image away.
Here it is sharp, the features are centerd on some images, and the class biases leave a few dozen scores above 0.5.
"""

import torch
from torch import nn

from tests.scramble import scramble

SHARPNESS = 2.0  # of attention; at 3 the last digit of float32 moves boxes by a third of a pixel
PROJECTIONS = ("q_", "k_", "sine")


@torch.no_grad()
def enliven(model: nn.Module, images: list[torch.Tensor], seed: int = 1) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    scramble(model.eval())
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if name.endswith("bn3.weight"):
            tensor.mul_(0.2)  # or sixteen residual blocks grow without bound
        elif tensor.ndim == 2:
            gain = SHARPNESS if any(part in name for part in PROJECTIONS) else 1.0
            tensor.normal_(0, gain * (2 / sum(tensor.shape)) ** 0.5, generator=generator)
        elif tensor.ndim == 1 and name.endswith("bias") and "backbone" not in name:
            tensor.mul_(0.1)
    model.model.query_position_embeddings.weight.normal_(0, 1, generator=generator)
    model.bbox_predictor.layers[-1].bias[2:] -= 1.5
    _centre_features(model, images[0])
    classes = model.class_labels_classifier
    classes.weight.normal_(0, 4, generator=generator)
    classes.bias.zero_()
    highest = torch.cat([model(pixels).logits[0] for pixels in images]).amax(0)
    classes.bias.copy_(torch.randn(len(highest), generator=generator) - 1 - highest)
    return model


def _centre_features(model: nn.Module, pixels: torch.Tensor) -> None:
    seen = []
    projection = model.model.input_projection
    hook = projection.register_forward_hook(lambda module, inputs, output: seen.append(output[0].flatten(1)))
    model(pixels)
    hook.remove()
    mean, spread = seen[0].mean(1), seen[0].std(1)
    projection.weight.div_(spread[:, None, None, None])
    projection.bias.sub_(mean).div_(spread)
