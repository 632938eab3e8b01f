"""Any picture in, detections out."""
