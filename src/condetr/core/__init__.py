"""Shapes, boxes, records and errors: shared by every room above."""
