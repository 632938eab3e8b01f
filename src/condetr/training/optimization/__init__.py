"""Optimizer, schedule, EMA, precision and what is frozen."""
