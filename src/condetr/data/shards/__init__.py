"""Datasets in few large files, from which images are read without unpacking them: tar archives and Parquet files."""
