"""From a labeled data set to a detector: the loop, what it needs, and how it survives being stopped."""
