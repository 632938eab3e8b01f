"""CVAT: XML for images."""
