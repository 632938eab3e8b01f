"""The models with transformers' class names, arguments and outputs."""
