"""YOLO: reading and writing."""
