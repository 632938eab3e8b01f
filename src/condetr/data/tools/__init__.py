"""Formats of labeling tools and well-known data sets that are only read, one file each, and what all tools share."""
