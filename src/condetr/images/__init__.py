"""Pixels to tensors to boxes: decode, resize, normalise, batch, score, draw."""
