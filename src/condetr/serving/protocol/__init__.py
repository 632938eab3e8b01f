"""HTTP: requests checked and read, answers and errors written."""
