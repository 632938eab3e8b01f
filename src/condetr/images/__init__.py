"""Pixels to tensors to boxes: decode, resize, normalize, batch, score, draw."""
