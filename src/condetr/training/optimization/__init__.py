"""Optimizer, learning rate schedule, EMA, mixed precision and freezing."""
