"""Where rooms meet: training with evaluation, export with its comparison, and the model that a training starts from."""
