"""Graphs whose convolutions and linear layers compute with 8 bits."""
