"""The transformers-shaped face: its class names, arguments and outputs."""
