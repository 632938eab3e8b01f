"""From a path, bytes, array or PIL image to RGB pixels."""
