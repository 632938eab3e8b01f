"""HTTP: requests checked and read, responses and errors written."""
