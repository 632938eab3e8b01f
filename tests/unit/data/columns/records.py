"""Records with all of their fields and the types of all values, which `==` does not compare."""

from dataclasses import fields, is_dataclass


def exact(value):
    """A value that is equal to another only if all fields, types and digits are."""
    if is_dataclass(value):
        return type(value).__name__, [exact(getattr(value, spec.name)) for spec in fields(value)]
    if isinstance(value, dict):
        return type(value).__name__, [(key, exact(item)) for key, item in value.items()]
    if isinstance(value, tuple | list):
        return type(value).__name__, [exact(item) for item in value]
    return type(value).__name__, repr(value)
