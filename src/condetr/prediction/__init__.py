"""Any image in, detections out."""
