"""Threads that decode and predict, the order of their results, and the memory that they hold."""
