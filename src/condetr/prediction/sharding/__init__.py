"""A run that is divided among processes, and merged."""
