"""Pages of the documentation that are made from the code: every command, every setting of training, every name."""
