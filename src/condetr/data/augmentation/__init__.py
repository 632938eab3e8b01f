"""Augmentation of training images: flipped, turned, cropped, resized, recolored, their boxes and masks with them."""
