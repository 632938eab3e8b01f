"""Sampling order, data loading and batch size."""
