"""What a network learns from in a training step: the losses of all decoder layers, and what is added to them."""
