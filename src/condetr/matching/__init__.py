"""The set matching of the paper: which query answers for which object."""
