"""CPU convolutions with faster gradients, for training."""
