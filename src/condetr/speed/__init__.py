"""Faster inference: from a detector to a copy with the same outputs, which is neither trained nor saved."""
