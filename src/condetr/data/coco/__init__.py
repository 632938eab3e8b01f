"""COCO and COCO panoptic: reading and writing."""
