"""A report as one HTML file, which needs no network."""
