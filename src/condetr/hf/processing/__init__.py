"""The image processor and its post-processing."""
