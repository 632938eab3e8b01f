"""``attn_implementation``: condetr has one attention, so the name is checked and otherwise has no effect."""

from typing import Any

from condetr.core.errors import UsageError

_SAME = ("eager", "sdpa")
_OTHER_KERNELS = ("flash_attention_2", "flash_attention_3", "flash_attention_4", "flex_attention")


def check_attention(implementation: Any) -> None:
    """Reject implementations that condetr does not have.

    "eager" and "sdpa" are the same here: torch's fused attention, which chooses its kernel, and attention weights
    whenever they are requested.

    Raises:
        UsageError: which is a ValueError, as in transformers.
    """
    if isinstance(implementation, dict):  # one name per part
        for name in implementation.values():
            check_attention(name)
    elif implementation is not None and implementation not in _SAME:
        is_kernel = implementation in _OTHER_KERNELS
        reason = "which condetr does not use" if is_kernel else "which is no attention that condetr knows"
        hint = "torch's fused attention uses flash kernels by itself where they are available"
        raise UsageError(
            f"is {implementation!r}, {reason}; expected {' or '.join(map(repr, _SAME))}",
            item="attn_implementation",
            hint=hint if is_kernel else None,
        )
