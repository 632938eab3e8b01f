"""Pascal VOC: reading and writing."""
