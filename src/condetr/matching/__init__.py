"""The set matching of the paper: which query is matched to which object."""
