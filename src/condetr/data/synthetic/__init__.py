"""Endless synthetic scenes for pretraining: things of many kinds, sizes and appearances on varied backgrounds."""
