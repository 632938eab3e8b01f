"""The files of labeling tools and well-known data sets, one file a tool."""
