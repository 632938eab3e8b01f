"""Stored models: hub folders, transformers 5 modules and the authors' .pth files are read, hub folders are written."""
