"""Training: the loop, its input, optimization, checkpoints and resuming."""
