"""Masks: RLE, polygons, and from mask logits to pixels."""
