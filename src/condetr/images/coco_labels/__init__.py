"""COCO annotations: their fields and segmentations, and those of one image as training labels."""
