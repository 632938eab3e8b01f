"""Values from outside as a message can hold them."""

import reprlib

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120
_short.maxlist = 8
_LONGEST = 300  # characters


def short_repr(value: object) -> str:
    """The ``repr`` of a value, never long, control characters escaped."""
    try:
        text = _short.repr(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    except ValueError:  # an integer of more digits than Python prints
        return f"a {type(value).__name__} that is too long to print"
