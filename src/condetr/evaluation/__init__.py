"""How good a detector is: COCO AP, per class, precision and recall, confusion, kinds of error, speed."""
