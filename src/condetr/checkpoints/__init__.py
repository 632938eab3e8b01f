"""Three dialects of stored models in, one out: hub folders, transformers 5 modules, the authors' .pth files."""
