"""Prediction: images and videos in, detections out."""
