"""Shapes, boxes, records and errors: what every room above speaks."""
