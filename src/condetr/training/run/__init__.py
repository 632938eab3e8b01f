"""The run folder: checkpoints, logs, curves, and resuming."""
