"""Half the bits where a device is faster with them, and a refusal with the reason where it is not."""

import copy
from typing import cast

import torch

from condetr.core.errors import UsageError
from condetr.core.names import Precision
from condetr.model.detector import ConditionalDetr
from condetr.speed.decoder_constants import PrecomputedDecoder, keep_constants
from condetr.speed.fast_detector import FastDetector, exchanged, fast, has_taken

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def lower_precision(model: ConditionalDetr | FastDetector, precision: Precision) -> FastDetector:
    """Backbone and transformer compute in fewer bits; the head and the reference points do not: a box would jump.

    Raises:
        UsageError: the device that the model is on is slower with it.
    """
    step = f"all but the head in {precision}"
    if has_taken(model, step):
        return model
    check_pays(precision, next(model.parameters()).device)
    model = keep_constants(model)
    network = copy.deepcopy(model).network
    head, points = copy.deepcopy(network.head), cast("PrecomputedDecoder", network.decoder).reference_logits
    network.to(TYPES[precision])
    network.head, network.decoder.reference_logits = head, points
    return exchanged(fast(network, model.steps, model.way), step, {})


def check_pays(precision: Precision, device: torch.device) -> None:
    """Refuse a precision with which ``device`` is slower.

    Raises:
        UsageError: it is, or there is no such precision.
    """
    if precision not in TYPES:
        raise UsageError(f"is {precision!r}, expected one of {', '.join(TYPES)}", item="precision")
    reason = why_not(precision, device)
    if reason is not None:
        raise UsageError(f"{precision} does not pay on {device}: {reason}", item="precision", hint="stay with fp32")


def why_not(precision: Precision, device: torch.device) -> str | None:
    """What makes ``device`` slower with this precision, if anything does."""
    if precision == "fp32":
        return None
    if device.type == "cpu":
        if precision == "fp16":
            return "processors compute with it by way of float32"
        has_units = torch.backends.mkldnn.is_available() and torch.cpu._is_amx_tile_supported()
        return None if has_units else "this processor has no matrix units for it (AMX)"
    if device.type == "cuda" and precision == "bf16" and torch.cuda.get_device_capability(device) < (8, 0):
        return "this GPU has no units for it, as those from Ampere on have"
    return None
