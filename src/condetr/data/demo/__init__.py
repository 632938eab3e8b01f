"""Demo data: handwritten digits on paper."""
