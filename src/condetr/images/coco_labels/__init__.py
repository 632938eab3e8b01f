"""COCO annotations of one image as training labels."""
