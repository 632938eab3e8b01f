"""The API of transformers: its class names, arguments and outputs."""
