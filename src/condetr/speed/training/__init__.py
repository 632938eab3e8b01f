"""Faster CPU convolutions and gradients, for training a backbone with frozen norms."""
