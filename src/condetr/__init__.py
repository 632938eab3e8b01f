"""Conditional DETR: train, measure, understand and run object detectors."""

__version__ = "0.1.0"
