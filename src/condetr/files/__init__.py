"""Reading files of unknown origin, and writing files and folders that are complete or absent."""
