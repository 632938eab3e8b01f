"""The attention of every head, for any image: the paper's figure 1."""
