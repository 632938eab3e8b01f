"""``pipeline(...)`` for detection and segmentation."""
