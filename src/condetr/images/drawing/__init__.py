"""Boxes, masks, labels and legends painted on images."""
