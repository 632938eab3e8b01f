"""Which images are read, in which order, and how they become batches."""
