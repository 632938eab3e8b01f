"""Slow studies, run by hand: `python -m benchmarks.NAME`. Speed is measured here and never tested."""
