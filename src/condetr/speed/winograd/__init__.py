"""Winograd 3x3 convolutions on the CPU."""
