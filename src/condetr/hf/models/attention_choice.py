"""``attn_implementation``: condetr has one attention, so the word is checked, and never ignored in silence."""

from typing import Any

from condetr.core.errors import UsageError

_SAME = ("eager", "sdpa")
_OTHER_KERNELS = ("flash_attention_2", "flash_attention_3", "flash_attention_4", "flex_attention")


def check_attention(given: Any) -> None:
    """Refuse what condetr cannot compute with.

    "eager" and "sdpa" are the same here: torch's fused attention, which chooses its kernel by itself, and weights of
    attention whenever they are asked for.

    Raises:
        UsageError: which is a ValueError, as in transformers.
    """
    if isinstance(given, dict):  # one word for each part
        for word in given.values():
            check_attention(word)
    elif given is not None and given not in _SAME:
        known = given in _OTHER_KERNELS
        reason = "which condetr does not use" if known else "which is no attention that condetr knows"
        hint = "torch's fused attention chooses flash kernels by itself where there are some"
        raise UsageError(
            f"is {given!r}, {reason}; expected {' or '.join(map(repr, _SAME))}",
            item="attn_implementation",
            hint=hint if known else None,
        )
