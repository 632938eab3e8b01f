"""config.json and the network that it describes."""
