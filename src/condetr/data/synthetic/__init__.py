"""Endless synthetic scenes for pretraining: things of many kinds, sizes and looks on backgrounds of every sort."""
