"""Labeled folders in, checked images and targets out."""
