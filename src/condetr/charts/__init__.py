"""Axes, bars, tables and sheets of tiles, painted with Pillow."""
