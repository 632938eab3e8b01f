"""Commands of the labeling loop."""
