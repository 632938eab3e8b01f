"""How long a training is: epochs, steps or minutes, and what depends on it."""
