"""Labels as columns: flat arrays instead of a Python object for every image, which processes share as one file."""
