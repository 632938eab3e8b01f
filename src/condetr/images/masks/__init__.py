"""Masks: RLE, polygons, and what the network's mask logits mean for every pixel."""
