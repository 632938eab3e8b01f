"""Labelled folders in, checked pictures and targets out."""
