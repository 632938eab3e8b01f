"""bf16 and fp16 on devices that are faster with them; elsewhere they are refused with the reason."""

import copy
from typing import cast

import torch

from condetr.core.errors import UsageError
from condetr.core.names import Precision
from condetr.model.detector import ConditionalDetr
from condetr.speed.decoder_constants import PrecomputedDecoder, precompute_decoder
from condetr.speed.fast_detector import FastDetector, fast, has_step, replace_modules

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def lower_precision(model: ConditionalDetr | FastDetector, precision: Precision) -> FastDetector:
    """Backbone and transformer in ``precision``; head and reference points stay in fp32, for boxes would jump.

    Raises:
        UsageError: the model's device is slower with it.
    """
    step = f"all but the head in {precision}"
    if has_step(model, step):
        return model
    check_precision(precision, next(model.parameters()).device)
    model = precompute_decoder(model)
    network = copy.deepcopy(model).network
    head, points = copy.deepcopy(network.head), cast("PrecomputedDecoder", network.body.decoder).reference_logits
    network.to(TYPES[precision])
    network.head, network.body.decoder.reference_logits = head, points
    return replace_modules(fast(network, model.steps, model.wrap_trace), step, {})


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse a precision with which ``device`` is slower.

    Raises:
        UsageError: it is slower, or there is no such precision.
    """
    if precision not in TYPES:
        raise UsageError(f"is {precision!r}, expected one of {', '.join(TYPES)}", item="precision")
    reason = why_slower(precision, device)
    if reason is not None:
        raise UsageError(f"{precision} is slower on {device}: {reason}", item="precision", hint="use fp32")


def why_slower(precision: Precision, device: torch.device) -> str | None:
    """Why ``device`` is slower with this precision than with fp32, or None."""
    if precision == "fp32":
        return None
    if device.type == "cpu":
        if precision == "fp16":
            return "CPUs compute fp16 by converting to fp32"
        is_amx_supported = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        has_amx = torch.backends.mkldnn.is_available() and is_amx_supported()
        return None if has_amx else "this CPU has no matrix units for it (AMX)"
    if device.type == "cuda" and precision == "bf16" and torch.cuda.get_device_capability(device) < (8, 0):
        return "GPUs before Ampere have no bf16 units"
    return None
