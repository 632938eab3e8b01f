"""From a path to the format, the splits and the files of a dataset."""
