"""The run folder: checkpoints and resuming, logs, charts, events."""
